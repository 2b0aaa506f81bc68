package certs

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"

	"github.com/weir-proxy/weir/control/certs/acme"
)

// Chooser finds the certificate that a client of a listener is met with. Immutable.
type Chooser struct {
	store         *Store
	issuer        *Issuer
	takes         func(name string) Taken
	compute, wait Blocking
}

// Blocking runs f, which may block, on behalf of a connection. With an error f has not ended.
type Blocking func(c net.Conn, f func()) error

// Taken is how a name is published.
type Taken uint8

const (
	NotTaken Taken = iota
	ByRest         // by a site for all that no other takes
	ByName         // by a site for the name, or for names like it
)

// NewChooser makes a chooser among the certificates of store, which come first, and issuer. takes says how a name, in lower case, is published. compute runs, on
// behalf of a connection, what takes a processor a while, and wait what waits for an authority.
func NewChooser(store *Store, issuer *Issuer, takes func(name string) Taken, compute, wait Blocking) *Chooser {
	return &Chooser{store, issuer, takes, compute, wait}
}

// Get finds the certificate for a client: for the name it asks for, or the address it came to where it asks for none. Where there is none, the first that was
// given, or one of weir's own authority: the client may know better, and nothing else could be said to it.
func (c *Chooser) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := nameAsked(hello)
	if isChallenge(hello) {
		var answer *tls.Certificate
		if err := c.compute(hello.Conn, func() { answer = acme.ALPNAnswer(name) }); err != nil {
			return nil, err
		}
		if answer != nil {
			return answer, nil
		}
	}
	if cert := c.store.index.Load().find(name, hello); cert != nil {
		return cert, nil
	}
	if cert := c.issuer.public.Load().find(name, hello); cert != nil {
		return cert, nil
	}
	if !c.mayDemand(name) {
		if cert := c.issuer.issued(name); cert != nil {
			return cert, nil
		}
	}
	return c.make(name, hello)
}

// mayDemand reports whether a certificate may be obtained for the name now. What had to do in its place the last time does not end that.
func (c *Chooser) mayDemand(name string) bool {
	return c.issuer.demand.Load() != nil && !IsInternal(name) && c.taken(name) != NotTaken
}

// make gets a certificate that is not there yet, or finds another that has to do.
func (c *Chooser) make(name string, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	first := c.store.index.Load().first
	taken := c.taken(name)
	isTaken := taken != NotTaken
	if d := c.issuer.demand.Load(); d != nil && c.mayDemand(name) {
		var obtained *tls.Certificate
		if c.wait(hello.Conn, func() { obtained = d.obtain(name, hello) }) == nil && obtained != nil {
			return obtained, nil
		}
	}
	if first != nil && !(taken == ByName && IsInternal(name)) {
		return first, nil
	}
	if !isTaken {
		name = noName
	}
	if cert := c.issuer.issued(name); cert != nil {
		return cert, nil
	}
	var made *tls.Certificate
	var failed error
	if err := c.compute(hello.Conn, func() { made, failed = c.issuer.leaf(name) }); err != nil {
		return nil, err
	}
	return made, failed
}

// taken is how a name is published; an address that a client came to is, like all that no site names.
func (c *Chooser) taken(name string) Taken {
	switch {
	case !isName(name):
		return NotTaken
	case isAddress(name):
		return ByRest
	}
	return c.takes(name)
}

// isChallenge reports whether an authority asks. RFC 8737 section 3: the ALPN extension "MUST contain only a single protocol name with the value
// "acme-tls/1"".
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProtocol
}

// nameAsked is the name that the client asks for, in lower case, or the address that it came to; "" if nothing is known.
func nameAsked(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" {
		return strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	}
	if hello.Conn == nil {
		return ""
	}
	at, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return at.Addr().Unmap().WithZone("").String()
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// isName reports whether a name can stand in a certificate.
func isName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == ':') {
			return false
		}
	}
	return true
}
