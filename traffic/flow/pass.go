package flow

import (
	"net/netip"
	"syscall"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/pool"
)

// Passed is a flow on its way from one process to another. Times are spans, since the two have clocks of their own.
type Passed struct {
	Socket    int // of the listener, by its index
	Client    netip.AddrPort
	Local     netip.Addr
	Port      uint16
	Proxy     netip.AddrPort // that tells of the client; invalid: none does
	To        netip.AddrPort // where the client wanted to go, as the proxy tells
	Pool      string
	Server    string
	Address   string // of the server
	Age       int64  // µs since it began
	Silent    int64  // ms since its last datagram
	Received  uint64
	Sent      uint64
	Credit    uint64
	Owed      int
	Awaited   int
	Replies   uint64
	Confirmed bool
	ToServer  int // descriptors; of a flow that is listed, they stay its own
	ToClient  int // -1: the listener's socket answers

	flow *Flow
}

// Rest has the flows of a loop read nothing more, and none end, and lists them, those that were silent longest first: what comes waits in their sockets,
// for Wake or for the process that gets them. The listener's sockets rest already. On that loop.
func (h *Flows) Rest(loop int) (flows []Passed) {
	t := h.tables[loop]
	if t == nil {
		return nil
	}
	t.isResting = true
	flows = make([]Passed, 0, len(t.known))
	for _, l := range [...]*list{&t.fresh, &t.confirmed} {
		for f := l.oldest; f != nil; f = f.newer {
			f.socket.Rest()
			if f.answers != nil {
				f.answers.Rest()
			}
			flows = append(flows, f.passed())
		}
	}
	return flows
}

func (f *Flow) passed() Passed {
	l := f.table.at.loop
	p := Passed{Socket: f.by.Index(), Client: f.client.from, Local: f.client.local, Port: f.client.port, Proxy: f.told.proxy, To: f.told.to, Pool: f.to.Pool.Name, Server: f.server.Name,
		Address: f.server.Address.String(), Age: l.Micros() - f.begun, Silent: l.Now() - f.last, Received: f.received, Sent: f.sent, Credit: f.credit, Owed: f.owed,
		Awaited: f.awaited, Replies: f.replies, Confirmed: f.in == &f.table.confirmed, ToServer: f.socket.Descriptor(), ToClient: -1, flow: f}
	if f.answers != nil {
		p.ToClient = f.answers.Descriptor()
	}
	return p
}

// Forget lets go of flows that another process has now: they have not ended. On their loop.
func (h *Flows) Forget(loop int, flows []Passed) {
	t := h.tables[loop]
	l := t.at.loop
	for i := range flows {
		f := flows[i].flow
		f.drop()
		f.to.Pool.Release(f.server, l.Index, l.Now(), pool.Cancelled)
		attempt.Settle(l, f.to.Pool, f.server, &f.held)
	}
}

// Wake has the flows that a loop still has go on. On that loop.
func (h *Flows) Wake(loop int) {
	t := h.tables[loop]
	if t == nil {
		return
	}
	t.isResting = false
	for _, f := range t.known {
		err := f.socket.Wake()
		if f.answers != nil && err == nil {
			err = f.answers.Wake()
		}
		if err != nil {
			f.end(reason.FlowRefused)
		}
	}
}

// Adopt takes a flow that another process has passed on; by is the listener's socket to which its client sends. It reports whether the flow goes on: one
// whose pool or server there is no more ends here, and is logged. The descriptors are consumed. On the loop of that socket.
func (h *Flows) Adopt(by *engine.PacketSocket, p *Passed) bool {
	l := by.Loop()
	t, setup := h.tables[l.Index], h.setup.Load()
	if setup == nil || !t.claim(setup) {
		closeAll(p.ToServer, p.ToClient)
		return false
	}
	t.socket = by
	f := &Flow{table: t, setup: setup, client: t.clientOf(p), told: told{p.Proxy, p.To}, by: by, begun: l.Micros() - p.Age, last: l.Now() - p.Silent,
		received: p.Received, sent: p.Sent, credit: p.Credit, owed: p.Owed, awaited: p.Awaited, since: l.Now(), replies: p.Replies}
	why := f.adopt(p)
	if why != reason.Done {
		l.Unclaim(engine.ShareFlows, setup.descriptors())
		t.at.Reasons[why]++
		if setup.Log != nil && setup.Log.Takes(0, why, p.Age) {
			f.log(why, p.Pool, p.Server)
		}
		return false
	}
	f.wrap()
	in := &t.fresh
	if p.Confirmed {
		in = &t.confirmed
	}
	t.add(f, in)
	return true
}

// clientOf is who a flow is with that another process had.
func (t *table) clientOf(p *Passed) client {
	c := client{p.Client, p.Local, p.Port, 0}
	if p.Proxy.IsValid() {
		c.proxy = t.markOf(p.Proxy)
	}
	return c
}

// adopt takes place and sockets, or consumes these.
func (f *Flow) adopt(p *Passed) reason.Reason {
	t := f.table
	l := t.at.loop
	switch {
	case t.known[f.client] != nil || len(t.known) >= f.setup.Most && !t.evict():
		closeAll(p.ToServer, p.ToClient)
		return reason.FlowTableFull
	case !f.find(p):
		closeAll(p.ToServer, p.ToClient)
		return reason.FlowServerGone
	}
	var err error
	if f.socket, err = l.TakePackets(p.ToServer, true, f); err == nil && p.ToClient >= 0 {
		if f.answers, err = l.TakePackets(p.ToClient, false, f); err != nil {
			f.socket.Close()
		}
	} else if err != nil {
		closeAll(p.ToClient)
	}
	if err != nil {
		f.to.Pool.Release(f.server, l.Index, l.Now(), pool.Cancelled)
		attempt.Settle(l, f.to.Pool, f.server, &f.held)
		return reason.FlowServerGone
	}
	return reason.Done
}

// find has the flow's server count it, whatever limits there are: it is there already.
func (f *Flow) find(p *Passed) bool {
	l := f.table.at.loop
	f.to = f.setup.To
	for f.to != nil && f.to.Pool.Name != p.Pool {
		f.to = f.to.Fallback
	}
	if f.to == nil {
		return false
	}
	if f.to.Pool.IsOriginal() {
		f.server, _ = attempt.ToOriginal(l, f.to.Pool, f.client.to(), f.setup.CapturedAt)
		return f.server != nil
	}
	for _, s := range f.to.Pool.Set().Servers {
		if s.Name != p.Server || s.Address.String() != p.Address {
			continue
		}
		if f.server, _ = f.to.Pool.AdmitTo(l.Index, s, true, &f.held); f.server == nil {
			f.server = s
			f.to.Pool.Begin(s, l.Index)
		}
		f.stay()
		return true
	}
	return false
}

// stay has the client's next flow go where this one goes.
func (f *Flow) stay() {
	if stay := f.setup.Persistence; stay != nil && f.to == f.setup.To {
		ip := f.client.from.Addr().As16()
		stay.Keep(f.to.Pool.Set(), pool.Key(ip[:]), f.server, f.table.at.loop.Now())
	}
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			syscall.Close(fd)
		}
	}
}
