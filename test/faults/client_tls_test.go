package faults

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"
)

const secureConfig = `
listeners:
  front:
    address: "FRONT"
    tls:
      certificates:
        - { cert: CERTS/a.pem, key: CERTS/a.key }
        - { cert: CERTS/b.pem, key: CERTS/b.key }
        - { cert: CERTS/wild.pem, key: CERTS/wild.key }
sites:
  "*": { /*: { respond: { body: MARK } } }
admin: "ADMIN"
logs: { access: off }
`

// secure starts a weir with three certificates.
func secure(t *testing.T) (s *subject, ca *authority, config string) {
	dir := t.TempDir()
	ca = newAuthority(t, dir, "public")
	later := time.Now().Add(time.Hour)
	ca.issue("a", later, "a.test", "also-a.test")
	ca.issue("b", later, "b.test")
	ca.issue("wild", later, "*.wild.test")
	config = strings.ReplaceAll(secureConfig, "CERTS", dir)
	return start(t, strings.ReplaceAll(config, "MARK", "first")), ca, config
}

func TestCertificatesAreChosenByName(t *testing.T) {
	s, ca, _ := secure(t)
	for name, want := range map[string]string{"a.test": "a", "also-a.test": "a", "b.test": "b", "B.test": "b", "x.wild.test": "wild"} {
		c := dialTLS(t, s.address["FRONT"], &tls.Config{RootCAs: ca.pool, ServerName: name})
		if got := leaf(c).Subject.CommonName; got != want {
			t.Errorf("%s: certificate of %s, want %s", name, got, want)
		}
		if err := c.ok("/"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"unknown.test", "wild.test", "x.y.wild.test", ""} {
		c := dialTLS(t, s.address["FRONT"], &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if got := leaf(c).Subject.CommonName; got != "a" {
			t.Errorf("%q: certificate of %s, want the first", name, got)
		}
	}
}

func TestHandshakeDefaults(t *testing.T) {
	s, ca, _ := secure(t)
	c := dialTLS(t, s.address["FRONT"], &tls.Config{RootCAs: ca.pool, ServerName: "a.test"})
	if st := c.Conn.(*tls.Conn).ConnectionState(); st.Version != tls.VersionTLS13 || st.CurveID != tls.X25519MLKEM768 {
		t.Errorf("negotiated %s with %v, want TLS 1.3 with X25519MLKEM768", tls.VersionName(st.Version), st.CurveID)
	}
	c = dialTLS(t, s.address["FRONT"], &tls.Config{RootCAs: ca.pool, ServerName: "a.test", MaxVersion: tls.VersionTLS12})
	if err := c.ok("/"); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		old, err := tls.Dial("tcp", s.address["FRONT"], &tls.Config{RootCAs: ca.pool, ServerName: "a.test", MinVersion: version, MaxVersion: version})
		if err == nil {
			old.Close()
			t.Errorf("%s is accepted", tls.VersionName(version))
		} else if !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	clear := dial(t, s.address["FRONT"])
	response, body, err := clear.get("/")
	if err != nil || response.StatusCode != 400 || !strings.Contains(body, "https") {
		t.Errorf("HTTP in clear on the TLS port: %v %q %v", response, body, err)
	}
}

func TestSessionsResumeAcrossReloads(t *testing.T) {
	s, ca, config := secure(t)
	client := &tls.Config{RootCAs: ca.pool, ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	resumes := func(when, want string) bool {
		c := dialTLS(t, s.address["FRONT"], client)
		_, body, err := c.get("/") // the ticket comes with it
		if err != nil || body != want {
			t.Fatalf("%s: %q %v", when, body, err)
		}
		return c.Conn.(*tls.Conn).ConnectionState().DidResume
	}
	if resumes("first", "first") {
		t.Error("the first connection resumed")
	}
	if !resumes("second", "first") {
		t.Error("the second connection did not resume")
	}
	s.write(strings.ReplaceAll(config, "MARK", "second"))
	s.reload(reloaded)
	if !resumes("after a reload", "second") {
		t.Error("a reload that changed something else ended the sessions")
	}
}

func TestRenewedCertificatesAreFound(t *testing.T) {
	s, ca, _ := secure(t)
	kept := dialTLS(t, s.address["FRONT"], &tls.Config{RootCAs: ca.pool, ServerName: "b.test"})
	old := leaf(kept).SerialNumber
	renewed := ca.issue("b", time.Now().Add(2*time.Hour), "b.test")
	within(t, 7*time.Second, "the renewed certificate", func() bool {
		c, err := tls.Dial("tcp", s.address["FRONT"], &tls.Config{RootCAs: ca.pool, ServerName: "b.test"})
		if err != nil {
			t.Fatalf("in between: %v", err)
		}
		defer c.Close()
		time.Sleep(50 * time.Millisecond)
		return leaf(&conn{Conn: c}).SerialNumber.Cmp(renewed.SerialNumber) == 0
	})
	if old.Cmp(renewed.SerialNumber) == 0 {
		t.Error("the renewed certificate is the old one")
	}
	if err := kept.ok("/"); err != nil {
		t.Errorf("the connection from before: %v", err)
	}
	if n := strings.Count(s.log(), "msg=reloaded"); n != 0 {
		t.Errorf("%d reloads", n)
	}
}

func leaf(c *conn) *x509.Certificate {
	st := c.Conn.(*tls.Conn).ConnectionState()
	if len(st.PeerCertificates) == 0 {
		panic(fmt.Sprintf("no certificate: %+v", st))
	}
	return st.PeerCertificates[0]
}
