package cli

import "github.com/weir-proxy/weir/control/admin/api"

// layer4 prints what was carried without looking at it, if anything was.
func (p *page) layer4(st *api.Status) {
	if t := &st.Tunnels; t.Accepted > 0 {
		p.printf("\n%d connections at layer 4 open, %d in all; %d bytes from clients, %d to them; %d retries\n", t.Open, t.Accepted, t.ReceivedBytes, t.SentBytes, t.Retries)
		p.reasons(t.Reasons)
	}
	if f := &st.Flows; f.Opened > 0 {
		p.printf("\n%d flows of UDP open, %d in all; %d datagrams from clients, %d to them; %d withheld, %d dropped\n",
			f.Open, f.Opened, f.ReceivedDatagrams, f.SentDatagrams, f.Withheld, f.Dropped)
		p.reasons(f.Reasons)
	}
}
