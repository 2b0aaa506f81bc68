package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
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

// namesKept bounds the names that configs are kept for, per loop.
const namesKept = 1024

// NewDialer makes a dialer from a config that says whom to trust; serverName, if not empty, is asked for and checked in place of the
// server's own.
func NewDialer(config *tls.Config, serverName string, loops int) *Dialer {
	d := &Dialer{base: config, name: serverName, loops: make([]map[string]*tls.Config, loops)}
	for i := range d.loops {
		d.loops[i] = map[string]*tls.Config{}
	}
	return d
}

// Client wraps c and does the handshake; server is the name that c was connected to, "" if it was an address, which then is asked for the name asked.
func (d *Dialer) Client(c engine.Conn, server, asked string) (engine.Conn, error) {
	s := Client(c, d.Config(c.Loop().Index, server, asked, c.RemoteAddr().Addr()))
	if err := s.Handshake(); err != nil {
		return nil, handshakeError{err}
	}
	return s, nil
}

// handshakeError is why a handshake with a server failed.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

// RefusesName reports whether the server has said that it has not the name it was asked for (RFC 6066 section 3, unrecognized_name).
func (e handshakeError) RefusesName() bool {
	var alert tls.AlertError
	return errors.As(e.error, &alert) && alert == 112
}

// nameOf is what the certificate of a server without a name must be for: its address, or localhost behind a Unix socket. Health checks
// ask for the same.
func nameOf(at netip.Addr) string {
	if at.IsValid() {
		return at.Unmap().WithZone("").String()
	}
	return "localhost"
}

// Config is the loop's own copy for a server: its session cache has a lock, which loops must not wait for. server is its name, "" if it is at an address without one; it is
// then asked for the name asked, if that is not "", and has to be that or its address. On the loop.
func (d *Dialer) Config(loop int, server, asked string, at netip.Addr) *tls.Config {
	key, byAddress := server, false
	switch {
	case d.name != "":
		server, key = d.name, d.name
	case server == "" && asked != "":
		server, key, byAddress = asked, asked+" at "+nameOf(at), true
	case server == "":
		server = nameOf(at)
		key = server
	}
	if c := d.loops[loop][key]; c != nil {
		return c
	}
	if len(d.loops[loop]) >= namesKept {
		clear(d.loops[loop]) // clients may choose names
	}
	c := d.base.Clone()
	c.ServerName = server
	if byAddress && !c.InsecureSkipVerify {
		c.InsecureSkipVerify = true // VerifyConnection does it
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyEither(&s, c.RootCAs, server, nameOf(at)) }
	}
	c.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsKept)
	c.DynamicRecordSizingDisabled = true
	d.loops[loop][key] = c
	return c
}

// verifyEither verifies a server that is addressed by IP: its certificate has to be for the name that it was asked for, or for the address, which the operator has written. The error is that
// of the name.
func verifyEither(s *tls.ConnectionState, roots *x509.CertPool, name, address string) error {
	o := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(o)
	if err == nil {
		return nil
	}
	o.DNSName = address
	if _, other := s.PeerCertificates[0].Verify(o); other == nil {
		return nil
	}
	return err
}
