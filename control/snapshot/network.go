package snapshot

import (
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// network is what the kernel has to be told.
func (b *builder) network() {
	n := &b.cfg.Network
	r := &netfilter.Rules{Mark: uint32(n.Mark)}
	for i := range b.cfg.Pools {
		r.Borrowed = r.Borrowed || n.Install && b.cfg.Pools[i].FromClient()
	}
	for i := range b.cfg.Listeners {
		if l := &b.cfg.Listeners[i]; l.Capture != nil && l.Capture.Install {
			c := capture(l)
			if size := c.Size(); size > netfilter.Most {
				b.refuse("listeners."+l.Name+".capture", "comes to too many rules; write fewer interfaces, ports and networks")
			}
			r.Captures = append(r.Captures, c)
		}
	}
	b.out.Rules, b.out.Routes = r, routing.Local{Mark: uint32(n.Mark), Table: n.Table}
}

func capture(l *config.Listener) netfilter.Capture {
	c := l.Capture
	out := netfilter.Capture{Listener: l.Address[0].First, Keep: c.Mode == "tproxy", UDP: l.Protocol == "udp",
		Interfaces: c.Interfaces, From: c.From, To: c.To}
	for _, p := range c.Ports {
		out.Ports = append(out.Ports, netfilter.PortRange{First: p.First, Last: p.Last})
	}
	return out
}
