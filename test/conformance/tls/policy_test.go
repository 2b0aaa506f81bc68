package tls

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

const policies = `
listeners:
  front: { address: "FRONT", tls: on }
  guarded: { address: "GUARDED", tls: { client_auth: DIR/a.pem } }
sites:
  open.test:    { respond: { body: open.test, headers: HEADERS } }
  free.test:    { tls: { client_auth: off }, respond: { body: free.test, headers: HEADERS } }
  strict.test:  { tls: { client_auth: DIR/a.pem }, respond: { body: strict.test, headers: HEADERS } }
  maybe.test:   { tls: { client_auth: { ca: DIR/a.pem, verify: optional } }, respond: { body: maybe.test, headers: HEADERS } }
  other.test:   { tls: { client_auth: DIR/b.pem }, respond: { body: other.test, headers: HEADERS } }
  modern.test:  { tls: { min_version: "1.3" }, respond: { body: modern.test, headers: HEADERS } }
  "*.wild.test": { tls: { client_auth: DIR/a.pem }, respond: { body: "*.wild.test", headers: HEADERS } }
  "*":          { respond: { body: "*", headers: HEADERS } }
admin: off
logs: { access: off }
data: DIR/data
`

// need is what a host asks of its connections, written down here once more and not taken from weir.
type need struct {
	site       string
	authority  string // "" for none
	isOptional bool
	modern     bool
}

// needs by listener and host as a client may write it.
func needs(listener, host string) need {
	host = strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(host, ":443")), ".")
	own := ""
	if listener == "guarded" {
		own = "a"
	}
	switch {
	case host == "open.test":
		return need{"open.test", own, false, false}
	case host == "free.test":
		return need{"free.test", "", false, false}
	case host == "strict.test":
		return need{"strict.test", "a", false, false}
	case host == "maybe.test":
		return need{"maybe.test", "a", true, false}
	case host == "other.test":
		return need{"other.test", "b", false, false}
	case host == "modern.test":
		return need{"modern.test", own, false, true}
	case strings.HasSuffix(host, ".wild.test"):
		return need{"*.wild.test", "a", false, false}
	}
	return need{"*", own, false, false}
}

var (
	names = []string{"", "open.test", "free.test", "strict.test", "STRICT.test", "maybe.test", "other.test", "modern.test", "x.wild.test", "unknown.test"}
	hosts = []string{"open.test", "free.test", "strict.test", "Strict.Test.", "strict.test:443", "maybe.test", "other.test", "modern.test", "x.wild.test",
		"X.WILD.test", "unknown.test"}
)

// kind is how a connection is made.
type kind struct {
	listener string
	name     string // the server name
	cert     string // the authority of the client's certificate; "" for none
	version  uint16
	byQUIC   bool
}

func (k kind) String() string {
	return fmt.Sprintf("%s, QUIC %v, server name %q, certificate of %q, TLS %x", k.listener, k.byQUIC, k.name, k.cert, k.version-0x0300)
}

// mayServe reports whether a connection of the kind is good enough for the host. The name it was made for says what it was asked for.
func (k kind) mayServe(host string) bool {
	n, asked := needs(k.listener, host), needs(k.listener, k.name)
	if n.modern && k.version < tls.VersionTLS13 {
		return false
	}
	if n.authority == "" {
		return true
	}
	return asked.authority == n.authority && (k.cert == n.authority || n.isOptional)
}

// keeps gives every connection the one session it has, whatever name it asks for: as somebody would who looks for a way around.
type keeps struct{ session *tls.ClientSessionState }

func (k *keeps) Get(string) (*tls.ClientSessionState, bool) { return k.session, k.session != nil }
func (k *keeps) Put(_ string, s *tls.ClientSessionState) {
	if k.session == nil && s != nil {
		k.session = s
	}
}

// matrix asks and counts.
type matrix struct {
	t                          *testing.T
	address                    map[string]string
	certs                      map[string]*tls.Certificate
	asked, served, misdirected int
	resumed                    int
}

func (m *matrix) config(k kind, sessions *keeps) *tls.Config {
	c := &tls.Config{ServerName: k.name, InsecureSkipVerify: true, MinVersion: k.version, MaxVersion: k.version}
	if sessions != nil {
		c.ClientSessionCache = sessions
	}
	if cert := m.certs[k.cert]; cert != nil {
		// Shown whoever asks: weir has to find out that it is another authority's.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// ask asks for every host by connections of a kind. first is how the session was made that is resumed; equal to k for none.
func (m *matrix) ask(k, first kind, sessions *keeps) {
	for _, host := range hosts {
		m.asked++
		c := connect(m.address[k.listener], k.byQUIC, m.config(k, sessions))
		if c == nil {
			if k == first && k.mayServe(k.name) && k.cert != "b" && k.name == host {
				m.t.Errorf("%v: the connection was refused", k)
			}
			continue
		}
		status, head, body := c.get(host)
		is := c.state()
		c.end()
		if is.DidResume {
			m.resumed++
		}
		switch status {
		case 0: // refused after the client's handshake
		case 421:
			m.misdirected++
			if k == first && k.mayServe(host) {
				m.t.Errorf("%v: %s was refused", k, host)
			}
		case 200:
			m.served++
			if body != needs(k.listener, host).site {
				m.t.Errorf("%v: %s was served by %s", k, host, body)
			}
			// A session that goes on has what it was made with: the certificate of the first connection counts.
			by := k
			if is.DidResume {
				by.cert = first.cert
			}
			if !by.mayServe(host) {
				m.t.Errorf("%v: %s was served under less than it asks for (session made as %v, resumed %v)", k, host, first, is.DidResume)
			}
			if want := needs(k.listener, host).authority; want != "" && !needs(k.listener, host).isOptional && !strings.Contains(head.Get("X-Subject"), "CN="+want) {
				m.t.Errorf("%v: %s was served to %q", k, host, head.Get("X-Subject"))
			}
		default:
			m.t.Errorf("%v: %s: status %d", k, host, status)
		}
	}
}

func TestNoRequestIsServedUnderAWeakerPolicyThanItsHosts(t *testing.T) {
	dir := t.TempDir()
	a, b := newAuthority(t, dir, "a"), newAuthority(t, dir, "b")
	_, front, guarded := start(t, dir, strings.ReplaceAll(policies, "HEADERS", `{ X-Subject: "{client_cert_subject}", X-Verified: "{client_cert_verified}" }`))
	m := &matrix{t: t, address: map[string]string{"front": front, "guarded": guarded},
		certs: map[string]*tls.Certificate{"a": a.client(t, "a"), "b": b.client(t, "b")}}

	var kinds []kind
	for _, listener := range []string{"front", "guarded"} {
		for _, name := range names {
			for _, cert := range []string{"", "a", "b"} {
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					kinds = append(kinds, kind{listener, name, cert, version, false})
				}
				kinds = append(kinds, kind{listener, name, cert, tls.VersionTLS13, true})
			}
		}
	}
	for _, k := range kinds {
		m.ask(k, k, nil)
	}
	fresh := m.asked

	// Sessions made as each kind, resumed for every name without the certificate.
	for _, first := range kinds {
		if first.cert == "b" || first.name == "STRICT.test" || first.name == "unknown.test" {
			continue // they show nothing that others do not
		}
		sessions := &keeps{}
		c := connect(m.address[first.listener], first.byQUIC, m.config(first, sessions))
		if c == nil {
			continue
		}
		c.get("open.test") // the ticket comes with it
		if first.byQUIC {
			time.Sleep(5 * time.Millisecond) // or a moment later
		}
		c.end()
		if sessions.session == nil {
			continue
		}
		for _, name := range []string{"", "open.test", "strict.test", "maybe.test", "other.test", "modern.test"} {
			then := first
			then.name, then.cert = name, ""
			m.ask(then, first, sessions)
		}
	}
	t.Logf("%d combinations, %d of them by resuming; %d served, %d misdirected, %d resumed", m.asked, m.asked-fresh, m.served, m.misdirected, m.resumed)
	if m.asked < 1000 || m.served < 200 || m.misdirected < 200 || m.resumed < 200 {
		t.Error("too few of a kind for the matrix to say anything")
	}
}
