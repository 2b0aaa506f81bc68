package transport

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
)

// Spoofed is the address that a connection for a client comes from; the zero value: an own one. A client of one family cannot be shown to a server of the other, or over
// a Unix socket; and a loopback address means this machine, wherever it comes from: a probe of weir's own host must not be sent to servers under it, which would drop
// the packet and seem to be down.
func (c *Config) Spoofed(client, server netip.Addr) netip.Addr {
	client, server = client.Unmap(), server.Unmap()
	if !c.ByClient || !client.IsValid() || !server.IsValid() || client.Is4() != server.Is4() ||
		client.IsLoopback() && !server.IsLoopback() {
		return netip.Addr{}
	}
	return client
}

func (s *Conns) dialFrom(source netip.Addr, to engine.Address, config *Config, o engine.DialOptions) (engine.Conn, error) {
	if !source.IsValid() {
		return s.dial(to, config, o)
	}
	o.Source, o.Spoof = source, true
	return s.loop.Dial(to, o)
}

// TakeOf is Take with Config.ByClient: the connection that was used last of those that come from the client's address. At most Config.MaxIdle are
// looked at.
func (s *Conns) TakeOf(client, server netip.Addr, config *Config, name string) *Conn {
	source := config.Spoofed(client, server)
	for c := s.newest; c != nil; c = c.older {
		if c.source == source && c.name == name {
			if s.claim(c) {
				return c
			}
			return nil
		}
	}
	return nil
}
