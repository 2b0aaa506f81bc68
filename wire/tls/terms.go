package tls

import (
	"crypto/tls"
	"net"

	"github.com/weir-proxy/weir/engine"
)

// Terms are how the clients of a listener are met: under its own policy, or under that of the site they ask for.
type Terms struct {
	own    *Policy
	of     func(serverName string) *Policy
	prints bool

	challenges *Policy // nil: the others take them
}

// NewTerms makes terms. of, if not nil, gives the policy of the site that a client asks for, nil if that is the listener's own; with prints the ClientHello's
// fingerprint is kept.
func NewTerms(own *Policy, of func(serverName string) *Policy, prints bool) *Terms {
	t := &Terms{own: own, of: of, prints: prints}
	if of != nil || prints {
		own.Config.GetConfigForClient = t.hello
	}
	return t
}

// ChallengeProtocol is what an authority speaks that proves by tls-alpn-01 whose a name is (RFC 8737 section 4): nothing beyond the handshake.
const ChallengeProtocol = "acme-tls/1"

// TakeChallenges has authorities met under a policy of their own, which asks for no certificate: they have none. Who calls it closes connections of ChallengeProtocol as soon as
// they are made. Before the first connection.
func (t *Terms) TakeChallenges(p *Policy) {
	t.challenges = p
	t.own.Config.GetConfigForClient = t.hello
}

// hello notes who asks and chooses the policy.
func (t *Terms) hello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c := connOf(hello.Conn)
	if t.prints && c != nil {
		c.print = AppendJA4(nil, hello, 't')
	}
	if t.challenges != nil && isChallenge(hello) {
		if c != nil {
			c.policy = t.challenges
		}
		return t.challenges.Config, nil
	}
	if t.of == nil {
		return nil, nil
	}
	p := t.choose(hello)
	if p == t.own {
		return nil, nil
	}
	if c != nil {
		c.policy = p
	}
	return p.Config, nil
}

// isChallenge reports whether an authority asks. RFC 8737 section 3: the ALPN extension "MUST contain only a single protocol name with the value "acme-tls/1"".
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == ChallengeProtocol
}

// choose finds the policy for a client.
func (t *Terms) choose(hello *tls.ClientHelloInfo) *Policy {
	if t.of != nil {
		if p := t.of(hello.ServerName); p != nil {
			return p
		}
	}
	return t.own
}

// ForQUIC is the policy for a client that comes by QUIC, by the same rule, with its fingerprint where that is wanted.
func (t *Terms) ForQUIC(hello *tls.ClientHelloInfo) (p *Policy, print []byte) {
	if t.prints {
		print = AppendJA4(nil, hello, 'q')
	}
	return t.choose(hello), print
}

// Own is the listener's own policy.
func (t *Terms) Own() *Policy { return t.own }

// Server makes c a connection under the terms; Handshake completes it.
func (t *Terms) Server(c engine.Conn) *Conn {
	s := Server(c, t.own.Config)
	s.policy = t.own
	return s
}

// Policy is what the connection was made under; nil if it was made without Terms. Complete once the handshake is.
func (c *Conn) Policy() *Policy { return c.policy }

// Print is the fingerprint of the ClientHello, where the Terms want it.
func (c *Conn) Print() []byte { return c.print }

// connOf is the connection whose pipe crypto/tls was given; nil if it was given another.
func connOf(c net.Conn) *Conn {
	if p, ok := c.(*pipe); ok {
		return (*Conn)(p)
	}
	return nil
}

// Blocking returns a function that runs f, which may block, for a connection that crypto/tls names in a callback: on a worker for that kind of work, while the connection's coroutine is parked.
// The error is one of engine's Block; f may still run then, unless it was not begun.
func Blocking(work engine.Work) func(conn net.Conn, f func()) error {
	return func(conn net.Conn, f func()) error {
		c := connOf(conn)
		if c == nil {
			f()
			return nil
		}
		l := c.raw.Loop()
		return l.Block(l.Workers(work, ""), nil, f, nil)
	}
}
