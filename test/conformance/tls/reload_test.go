package tls

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A reload that asks for a certificate, for another authority's, or for a newer version, holds for the next request of connections with TLS that were there before.
func TestAReloadThatAsksForMoreHoldsForConnectionsThatAreKept(t *testing.T) {
	const config = `{ listeners: { front: { address: "FRONT", tls: LISTENER }, other: { address: "GUARDED", tls: on } }, tls: TOP, sites: { open.test: { respond: { body: open.test } } }, admin: off, logs: { access: off }, data: DIR/data }`
	type side struct{ listener, top string }
	for _, c := range []struct {
		name          string
		before, after side
		status        int // of the connection that was kept
	}{
		{"a certificate, at the listener", side{"on", "{ acme: off }"}, side{"{ client_auth: DIR/a.pem }", "{ acme: off }"}, 421},
		{"a certificate, at the top", side{"on", "{ acme: off }"}, side{"on", "{ acme: off, client_auth: DIR/a.pem }"}, 421},
		{"another authority", side{"{ client_auth: DIR/a.pem }", "{ acme: off }"}, side{"{ client_auth: DIR/b.pem }", "{ acme: off }"}, 421},
		{"a certificate for one that was asked for it", side{"{ client_auth: { ca: DIR/a.pem, verify: optional } }", "{ acme: off }"}, side{"{ client_auth: DIR/a.pem }", "{ acme: off }"}, 200},
		{"no certificate any more", side{"{ client_auth: DIR/a.pem }", "{ acme: off }"}, side{"on", "{ acme: off }"}, 200},
	} {
		for how, byQUIC := range map[string]bool{"TCP": false, "QUIC": true} {
			t.Run(c.name+", "+how, func(t *testing.T) {
				dir := t.TempDir()
				a := newAuthority(t, dir, "a")
				newAuthority(t, dir, "b")
				write := func(s side) string {
					return strings.NewReplacer("LISTENER", s.listener, "TOP", s.top).Replace(config)
				}
				weir, front, other := start(t, dir, write(c.before))
				terms := &tls.Config{InsecureSkipVerify: true, ServerName: "open.test"}
				if strings.Contains(c.before.listener, "client_auth") {
					terms.Certificates = []tls.Certificate{*a.client(t, "one")}
				}
				kept := connect(front, byQUIC, terms)
				if kept == nil {
					t.Fatal("no connection")
				}
				defer kept.end()
				if status, _, _ := kept.get("open.test"); status != 200 {
					t.Fatalf("status %d before the reload", status)
				}
				if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(strings.NewReplacer("DIR", dir, "FRONT", front, "GUARDED", other).Replace(write(c.after))), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := weir.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				awaitLog(t, weir.Log, "reloaded")
				if status, _, _ := kept.get("open.test"); status != c.status {
					t.Errorf("status %d after the reload, want %d", status, c.status)
				}
			})
		}
	}
}

func awaitLog(t *testing.T, file, text string) {
	t.Helper()
	for by := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if log, _ := os.ReadFile(file); strings.Contains(string(log), text) {
			return
		}
		if time.Now().After(by) {
			t.Fatalf("the log does not say %q", text)
		}
	}
}
