package tls

import (
	"crypto/tls"

	"github.com/weir-proxy/weir/engine"
)

// Dialer is how servers of a pool are met: it implements transport.TLS. Immutable but for the per-loop configs.
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
	if server == "" {
		server = nameOf(c)
	}
	s := Client(c, d.config(c.Loop().Index, server))
	if err := s.Handshake(); err != nil {
		return nil, err
	}
	return s, nil
}

// nameOf is what the certificate of a server without a name must be for: its address, or localhost behind a Unix socket. Health checks
// ask for the same.
func nameOf(c engine.Conn) string {
	if ip := c.RemoteAddr().Addr(); ip.IsValid() {
		return ip.Unmap().WithZone("").String()
	}
	return "localhost"
}

// config is the loop's own copy for a server: its session cache has a lock, which loops must not wait for.
func (d *Dialer) config(loop int, server string) *tls.Config {
	if d.name != "" {
		server = d.name
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
