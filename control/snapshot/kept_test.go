package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/test/peers"
)

// A pool that is built anew has new sessions to its servers and a new place for its settings: a reload that changed nothing must not do that.
func TestWhatTLSIsBuiltFromIsKeptWhileItsFilesHoldTheSame(t *testing.T) {
	dir := t.TempDir()
	certificate := func(name string) {
		c, err := peers.NewCertificate(t.TempDir(), "server.test")
		if err != nil {
			t.Fatal(err)
		}
		copied(t, dir, name, c.Cert)
		copied(t, dir, name+".key", c.Key)
	}
	certificate("ca.pem")
	certificate("site.pem")
	text := strings.ReplaceAll(`
listeners: { web: { address: "127.0.0.1:8443", tls: { certificates: [{ cert: DIR/site.pem, key: DIR/site.pem.key }], client_auth: DIR/ca.pem } } }
pools: { api: { servers: [10.0.0.1:443], tls: { ca: DIR/ca.pem } } }
sites: { "*": api }
`, "DIR", dir)
	build := func(previous *Snapshot) *Snapshot {
		cfg, problems := config.Parse("weir.yaml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		s, problems := Build(cfg, previous, 1)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return s
	}
	first := build(nil)
	same, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "ca.pem"), same, 0o600) // mounted anew: another time, the same content
	second := build(first)
	if second.Destinations["api"] != first.Destinations["api"] {
		t.Error("the pool was built anew although nothing has changed")
	}
	label := func(s *Snapshot) string { return s.Listeners[0].Setup.TLS.Own().Label }
	if label(second) != label(first) || second.Tickets != first.Tickets {
		t.Error("sessions of the listener end although nothing has changed")
	}
	certificate("ca.pem")
	third := build(second)
	if third.Destinations["api"] == second.Destinations["api"] {
		t.Error("the pool still trusts the old authority")
	}
	if label(third) == label(second) {
		t.Error("sessions go on that clients began by a certificate of the old authority")
	}
	certificate("site.pem")
	if fourth := build(third); len(fourth.Listeners[0].Renewed) != 1 || fourth.Listeners[0].Store != third.Listeners[0].Store {
		t.Errorf("a changed certificate is read again by its store: %v", fourth.Listeners[0].Renewed)
	}
}

func copied(t *testing.T, dir, name, from string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
