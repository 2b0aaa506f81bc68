package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/certs/acme"
)

func TestEachChallengeObtains(t *testing.T) {
	for name, acme := range map[string]string{"http-01": "challenge: http", "tls-alpn-01": "challenge: tls-alpn"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, authority{})
			w.start(acme, "shop.example.com: { respond: 200 }, www.example.com: { respond: 200 }")
			if c := w.served("shop.example.com"); !isPebbles(c) && !strings.Contains(c.Issuer.CommonName, "weir") {
				t.Errorf("until there is one: %v", c.Issuer)
			}
			for _, name := range []string{"shop.example.com", "www.example.com"} {
				if c := w.obtained(name); c.VerifyHostname(name) != nil {
					t.Errorf("%s: got one for %v", name, c.DNSNames)
				}
			}
		})
	}
	t.Run("dns-01", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, authority{})
		w.start(fmt.Sprintf("dns: { provider: rfc2136, server: %q, key_name: %q, key: %q, resolvers: [%q] }", w.zone.address, tsigName, tsigSecret, w.zone.address),
			`"*.example.com": { respond: 200 }`)
		if c := w.obtained("any.example.com"); c.DNSNames[0] != "*.example.com" {
			t.Errorf("got one for %v", c.DNSNames)
		}
		w.within(5*time.Second, "the records are taken away", func() bool { return w.zone.left() == 0 })
		if w.zone.updates < 2 {
			t.Errorf("%d updates", w.zone.updates)
		}
	})
}

// An authority has no certificate to show: where clients must have one, its challenges are answered all the same.
func TestChallengesAreAnsweredWhereClientsNeedCertificates(t *testing.T) {
	for name, acme := range map[string]string{"http-01": "challenge: http", "tls-alpn-01": "challenge: tls-alpn"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, authority{})
			w.startWith(acme, "shop.example.com: { respond: 200 }", "limits: { header_count: 100 }", fmt.Sprintf("client_auth: %q", w.trust))
			if c := w.obtained("shop.example.com"); c.VerifyHostname("shop.example.com") != nil {
				t.Errorf("got one for %v", c.DNSNames)
			}
			c, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true, NextProtos: []string{"h2", "acme-tls/1"}, MaxVersion: tls.VersionTLS12})
			if err == nil {
				c.Close()
				t.Error("a client without a certificate has got in by the protocol of challenges")
			}
		})
	}
}

// Certificates that live for ten seconds are renewed as they end; then the authority goes away, for longer than the last of them lives.
func TestRenewedInTimeAndServedOnWhileTheAuthorityIsAway(t *testing.T) {
	t.Parallel()
	const validity = 10
	sites := "shop.example.com: { respond: 200 }"
	w := newWorld(t, authority{validity: validity})
	w.start("challenge: http", sites)
	first := w.obtained("shop.example.com")
	var last = first
	seen := map[string]bool{}
	begun := time.Now()
	for time.Since(begun) < 2*validity*time.Second || len(seen) < 2 && time.Since(begun) < 2*validity*time.Second+w.again() {
		time.Sleep(200 * time.Millisecond)
		last = w.served("shop.example.com")
		seen[last.SerialNumber.String()] = true
		// pebble recommends any moment up to the last second (RFC 9773), and half of what weir says then is refused.
		late := 4 * time.Second
		if !isPebbles(last) || time.Now().After(last.NotAfter.Add(late)) && time.Now().After(last.NotAfter.Add(late+w.again())) {
			t.Fatalf("at %v: served until %v, by %v", time.Now(), last.NotAfter, last.Issuer)
		}
	}
	if len(seen) < 2 {
		t.Errorf("%d certificates in two lifetimes", len(seen))
	}
	w.pebble.Stop()
	w.pebble = nil
	for by := last.NotAfter.Add(3 * time.Second); time.Now().Before(by); time.Sleep(500 * time.Millisecond) {
		if last = w.served("shop.example.com"); !isPebbles(last) {
			t.Fatalf("%v after its end: %v", time.Since(last.NotAfter), last.Issuer)
		}
	}
	// The first client after a start is met with what earlier ones have obtained.
	for range 10 {
		w.stopWeir()
		w.start("challenge: http", sites)
		if c := w.served("shop.example.com"); !isPebbles(c) || c.SerialNumber.Cmp(last.SerialNumber) != 0 {
			t.Errorf("another start: %v", c.Issuer)
		}
	}
}

func TestOnDemandObtainsWhatTheGateAllows(t *testing.T) {
	t.Parallel()
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("domain") != "good.example.com" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer gate.Close()
	w := newWorld(t, authority{})
	w.start("on_demand: "+gate.URL, `"*": { respond: 200 }`)
	if c := w.obtained("good.example.com"); c.DNSNames[0] != "good.example.com" {
		t.Errorf("got one for %v", c.DNSNames)
	}
	if c := w.served("bad.example.com"); isPebbles(c) {
		t.Error("one was obtained that the gate did not allow")
	}
}

func TestExternalAccounts(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	w := newWorld(t, authority{accounts: map[string]string{"kid-1": key}})
	w.start(fmt.Sprintf("eab: { key_id: kid-1, key: %q }", key), "shop.example.com: { respond: 200 }")
	w.obtained("shop.example.com")
}

func TestRevokedCertificatesAreTheAuthoritysToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authority{})
	own, err := os.ReadFile(w.trust)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own)
	client, err := acme.New(acme.Config{CAs: []string{w.directory}, Roots: roots, Directory: t.TempDir(), DNS: &acme.DNS{Provider: "rfc2136",
		Server: w.zone.address, KeyName: tsigName, Key: tsigSecret, Resolvers: []string{w.zone.address}}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lucky := func(do func(context.Context, string) error) {
		err := do(t.Context(), "shop.example.com")
		for err != nil && nonceErr.MatchString(err.Error()) {
			err = do(t.Context(), "shop.example.com")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	lucky(client.Obtain)
	serial := client.Certificates()[0].Leaf.SerialNumber
	lucky(func(ctx context.Context, name string) error { return client.Revoke(ctx, name, "superseded") })
	if n := len(client.Certificates()); n != 0 {
		t.Errorf("%d certificates are left", n)
	}
	if text := w.standing(serial); !strings.Contains(text, "Revoked") {
		t.Errorf("the authority says %s", text)
	}
	if err := client.Revoke(t.Context(), "shop.example.com", ""); !errors.Is(err, acme.ErrNoCertificate) {
		t.Errorf("revoked again: %v", err)
	}
}
