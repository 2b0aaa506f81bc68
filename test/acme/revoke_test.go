package acme

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// standing is what the authority says of a certificate.
func (w *world) standing(serial *big.Int) string {
	w.t.Helper()
	own, err := os.ReadFile(w.trust)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own)
	tester := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	answer, err := tester.Get(fmt.Sprintf("%s/cert-status-by-serial/%x", w.management, serial))
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

// command runs weir's command line against the running weir.
func (w *world) command(args ...string) (string, error) {
	binary, err := peers.WeirBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := exec.Command(binary, append(args, "--address", w.admin())...).CombinedOutput()
	return string(text), err
}

// Whose key was stolen gets another certificate, with another key, and shows the old one to nobody.
func TestACertificateIsRevokedByACommandAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authority{})
	w.start("challenge: [tls-alpn]", "shop.example.com: { respond: 200 }")
	old := w.obtained("shop.example.com")
	for args, want := range map[string]string{"nobody.example.com": "no certificate has been obtained", "shop.example.com --reason boredom": "want one of affiliation_changed"} {
		if text, err := w.command(append([]string{"certs", "revoke"}, strings.Fields(args)...)...); err == nil || !strings.Contains(text, want) {
			t.Errorf("certs revoke %s: %v, %s", args, err, text)
		}
	}
	if text := w.standing(old.SerialNumber); strings.Contains(text, "Revoked") {
		t.Fatalf("the authority says already: %s", text)
	}
	text, err := w.command("certs", "revoke", "shop.example.com", "--reason", "key_compromise")
	if err != nil || text != "shop.example.com: revoked; another certificate is being obtained\n" {
		t.Fatalf("%v, %s", err, text)
	}
	if c := w.served("shop.example.com"); c.Equal(old) {
		t.Error("the revoked certificate is still served")
	}
	if text := w.standing(old.SerialNumber); !strings.Contains(text, "Revoked") {
		t.Errorf("the authority says %s", text)
	}
	w.within(40*time.Second, "another certificate", func() bool {
		c := w.served("shop.example.com")
		return isPebbles(c) && !c.Equal(old)
	})
	if c := w.served("shop.example.com"); string(c.RawSubjectPublicKeyInfo) == string(old.RawSubjectPublicKeyInfo) {
		t.Error("the other certificate has the same key")
	}
}
