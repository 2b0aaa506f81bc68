package tls

import (
	"crypto/tls"
	"net/netip"

	"github.com/weir-proxy/weir/engine"
)

// Dialer is how servers of a pool are met: it implements transport.TLS, and quic.TLS. Immutable but for the per-loop configs.
type Dialer struct {
	base  *tls.Config
	name  string
	loops []map[string]*tls.Config
}

// sessionsKept bounds the sessions kept for resumption, per loop and server name.
const sessionsKept = 32

// NewDialer makes a dialer from a config that says whom to trust; serverName, if not empty, is asked for and checked in place of the
// server's own.
func NewDialer(config *tls.Config, serverName string, loops int) *Dialer {
	d := &Dialer{base: config, name: serverName, loops: make([]map[string]*tls.Config, loops)}
	for i := range d.loops {
		d.loops[i] = map[string]*tls.Config{}
	}
	return d
}

// Client wraps c and does the handshake; server is the name that c was connected to, "" if it was an address.
func (d *Dialer) Client(c engine.Conn, server string) (engine.Conn, error) {
	s := Client(c, d.Config(c.Loop().Index, server, c.RemoteAddr().Addr()))
	if err := s.Handshake(); err != nil {
		return nil, err
	}
	return s, nil
}

// nameOf is what the certificate of a server without a name must be for: its address, or localhost behind a Unix socket. Health checks
// ask for the same.
func nameOf(at netip.Addr) string {
	if at.IsValid() {
		return at.Unmap().WithZone("").String()
	}
	return "localhost"
}

// Config is the loop's own copy for a server: its session cache has a lock, which loops must not wait for. server is its name, "" if it is at without one. On the loop.
func (d *Dialer) Config(loop int, server string, at netip.Addr) *tls.Config {
	switch {
	case d.name != "":
		server = d.name
	case server == "":
		server = nameOf(at)
	}
	if c := d.loops[loop][server]; c != nil {
		return c
	}
	c := d.base.Clone()
	c.ServerName = server
	c.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsKept)
	c.DynamicRecordSizingDisabled = true
	d.loops[loop][server] = c
	return c
}
