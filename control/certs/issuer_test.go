package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/certs/authority"
)

func TestNamesThatNoPublicAuthorityIssuesFor(t *testing.T) {
	for name, want := range map[string]bool{"localhost": true, "printer": true, "nas.local": true, "a.internal": true, "10.0.0.1": true, "::1": true,
		"app.localhost": true, "x.home.arpa": true, "example.com": false, "local.example.com": false, "arpa.com": false} {
		if IsInternal(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// What weir's own authority issues is trusted by whoever trusts its root, after another start too.
func TestOwnCertificatesLeadToOneRoot(t *testing.T) {
	data := t.TempDir()
	c := chooser(t, open(t), data, all)
	trusted := x509.NewCertPool()
	root, err := x509.ParseCertificate(c.issuer.Root())
	if err != nil {
		t.Fatal(err)
	}
	trusted.AddCert(root)
	again := chooser(t, open(t), data, all)
	if !bytes.Equal(again.issuer.Root(), c.issuer.Root()) {
		t.Fatal("the second start has another root")
	}
	for _, c := range []*Chooser{c, again} {
		for _, name := range []string{"localhost", "nas.local", "shop.example"} {
			cert, err := c.Get(hello(name))
			if err != nil {
				t.Fatal(err)
			}
			between := x509.NewCertPool()
			for _, der := range cert.Certificate[1:] {
				by, _ := x509.ParseCertificate(der)
				between.AddCert(by)
			}
			if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: trusted, Intermediates: between}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if st, err := os.Stat(AuthorityDirectory(data) + "/root.key"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the root's key: %v, %v", st, err)
	}
}

// A name of an internal zone has one of weir's own although another was given first: that is the one a client may trust.
func TestInternalNamesAreNotMetWithTheFirstCertificate(t *testing.T) {
	s := open(t, pair(t, t.TempDir(), "first", inADay(), ecdsaKey(t), "first.net"))
	c := chooser(t, s, t.TempDir(), all)
	for asked, want := range map[string]string{"localhost": "localhost", "shop.net": "first.net", "": "first.net"} {
		if is := got(t, c, hello(asked)); is != want {
			t.Errorf("%q: %s, want %s", asked, is, want)
		}
	}
	if is := got(t, chooser(t, s, t.TempDir(), rest), hello("unknown.local")); is != "first.net" {
		t.Errorf("a name that no site names: %s", is)
	}
}

type atAddress struct {
	net.Conn
	at string
}

func (c atAddress) LocalAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", c.at)
	return a
}

func TestClientsThatNameNothingGetTheAddress(t *testing.T) {
	c := chooser(t, open(t), t.TempDir(), none)
	h := hello("")
	h.Conn = atAddress{at: "[::ffff:10.0.0.7]:443"}
	if is := got(t, c, h); is != "10.0.0.7" {
		t.Errorf("got %s", is)
	}
}

func TestWhoeverAsksForNamesIsBounded(t *testing.T) {
	c := chooser(t, open(t), t.TempDir(), all)
	for i := range leavesMost + 50 {
		if _, err := c.Get(hello(fmt.Sprintf("n%d.net", i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(*c.issuer.leaves.Load()); n > leavesMost+1 {
		t.Errorf("%d certificates", n)
	}
	for _, odd := range []string{"a b", "a\x00.net", string(make([]byte, 300))} {
		if is := got(t, c, hello(odd)); is != noName {
			t.Errorf("%q: got %s", odd, is)
		}
	}
}

func TestAnAuthorityThatCannotBeReadIsNotOverwritten(t *testing.T) {
	data := t.TempDir()
	chooser(t, open(t), data, all)
	file := authority.RootFile(AuthorityDirectory(data))
	key := AuthorityDirectory(data) + "/root.key"
	os.Rename(key, key+".away")
	before, _ := os.ReadFile(file)
	c := chooser(t, open(t), data, all)
	if got(t, c, hello("localhost")) != "localhost" {
		t.Error("there is no certificate")
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the root was overwritten")
	}
	os.Rename(key+".away", key)
	c.issuer.Apply(Wanted{TLS: true, Data: data}) // a reload
	if kept, _ := authority.Open(AuthorityDirectory(data), time.Now); !bytes.Equal(kept.Root(), c.issuer.Root()) {
		t.Error("the root that is trusted was not taken up again")
	}
}

func TestDataThatCannotBeWrittenFailsNothing(t *testing.T) {
	file := t.TempDir() + "/file"
	os.WriteFile(file, nil, 0o600)
	c := chooser(t, open(t), file+"/below", all)
	if is := got(t, c, hello("localhost")); is != "localhost" {
		t.Errorf("got %s", is)
	}
}

func TestOnDemandAsksBeforeItObtainsAndRemembersRefusals(t *testing.T) {
	var asked []string
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("domain")+" "+r.URL.Query().Get("key"))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer gate.Close()
	i := NewIssuer()
	i.Apply(Wanted{TLS: true, Data: t.TempDir(), OnDemand: &OnDemand{Ask: gate.URL + "/?key=k"}})
	defer i.Close()
	c := NewChooser(open(t), i, all, inline, inline)
	for range 3 {
		if is := got(t, c, hello("shop.net")); is != "shop.net" {
			t.Errorf("got %s, want one of weir's own authority", is)
		}
		i.leaves.Store(&map[string]*tls.Certificate{})
	}
	if fmt.Sprint(asked) != "[shop.net k]" {
		t.Errorf("asked %q", asked)
	}
}

// A configuration that changes its names a thousand times leaves the certificates of the last ones.
func TestCertificatesOfNamesThatAreWantedNoMoreAreForgotten(t *testing.T) {
	i := NewIssuer()
	data := t.TempDir()
	for n := range 5 {
		i.Apply(Wanted{TLS: true, Data: data, Internal: []string{"kept.internal", fmt.Sprintf("new%d.internal", n)}})
	}
	leaves := *i.leaves.Load()
	if len(leaves) != 2 || leaves["kept.internal"] == nil || leaves["new4.internal"] == nil {
		t.Errorf("%d certificates are kept", len(leaves))
	}
}

// What had to do when the gate could not be asked does not keep the name from being asked about again.
func TestOnDemandIsTriedAgainWhenItsTimeHasCome(t *testing.T) {
	asked := 0
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer gate.Close()
	i := NewIssuer()
	i.Apply(Wanted{TLS: true, Data: t.TempDir(), OnDemand: &OnDemand{Ask: gate.URL}})
	defer i.Close()
	c := NewChooser(open(t), i, all, inline, inline)
	for range 2 {
		if is := got(t, c, hello("shop.net")); is != "shop.net" {
			t.Errorf("got %s, want one of weir's own authority", is)
		}
		d := i.demand.Load()
		d.mu.Lock()
		clear(d.refused) // a minute later
		d.mu.Unlock()
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// Where too many clients wait for certificates already, the next get what is there, and nothing that is still being made.
func TestClientsForWhomNobodyWaitsGetWhatIsThere(t *testing.T) {
	i := NewIssuer()
	i.Apply(Wanted{TLS: true, Data: t.TempDir(), OnDemand: &OnDemand{Ask: "http://127.0.0.1:1/"}})
	defer i.Close()
	busy := func(net.Conn, func()) error { return errors.New("busy") }
	if is := got(t, NewChooser(open(t), i, all, inline, busy), hello("shop.net")); is != "shop.net" {
		t.Errorf("got %s, want one of weir's own authority", is)
	}
	if cert, err := NewChooser(open(t), i, all, busy, busy).Get(hello("other.net")); cert != nil || err == nil {
		t.Errorf("got %v, %v, want an error", cert, err)
	}
}
