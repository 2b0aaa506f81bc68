package snapshot

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/engine"
)

// sources are the own addresses of a pool's connections. One that this machine does not have may still come, so it is said and taken.
func (b *builder) sources(p *config.Pool, path string) []netip.Addr {
	var list []netip.Addr
	for i, text := range p.Source {
		a, err := netip.ParseAddr(text)
		if err != nil {
			if err := engine.CanBeTransparent(); err != nil {
				b.warn(fmt.Sprintf("%s.source[%d]", path, i), fmt.Sprintf("this process may not use clients' addresses, and no connection could be made: %v; "+
					"run it as root or with CAP_NET_ADMIN", err))
			}
			continue // client
		}
		list = append(list, a.Unmap())
		if own, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String()); err == nil {
			own.Close()
		} else {
			b.warn(fmt.Sprintf("%s.source[%d]", path, i), fmt.Sprintf("%s is no address of this machine now; no connection can be made from it until it is", a))
		}
	}
	return list
}
