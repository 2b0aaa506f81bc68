package tls

import (
	"crypto/tls"
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

const hiding = `
listeners: { front: { address: "FRONT", tls: on }, other: { address: "GUARDED", tls: { client_auth: DIR/a.pem } } }
tls: { acme: off, ech: public.example.com }
sites:
  secret.example.com: { tls: { client_auth: DIR/a.pem }, respond: { body: secret, headers: { X-Name: "{tls_server_name}", X-Print: "{ja4}" } } }
  public.example.com: { respond: { body: public, headers: { X-Name: "{tls_server_name}", X-Print: "{ja4}" } } }
admin: off
logs: { access: { format: "{host} {client_cert} {ja4}" } }
data: DIR/data
`

// The name that a client hides is the one that decides what it is met under, over TCP and QUIC; and what weir ech prints is what it takes.
func TestHiddenNamesDecide(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "a")
	weir, front, _ := start(t, dir, hiding)
	binary, _ := peers.WeirBinary()
	cmd := exec.Command(binary, "ech", "-c", "weir.yaml")
	cmd.Dir = dir
	printed, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(printed), " HTTPS 1 . ") != 2 {
		t.Fatalf("%v: %s", err, printed)
	}
	_, text, _ := strings.Cut(strings.Split(string(printed), "\n")[0], "ech=")
	list, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	cert := a.client(t, "a")
	for _, byQUIC := range []bool{false, true} {
		config := &tls.Config{ServerName: "secret.example.com", MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, EncryptedClientHelloConfigList: list,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }}
		c := connect(front, byQUIC, config)
		if c == nil {
			t.Fatal("refused")
		}
		status, head, body := c.get("secret.example.com")
		if status != 200 || body != "secret" || head.Get("X-Name") != "secret.example.com" || !c.state().ECHAccepted {
			t.Errorf("QUIC %v: %d %q %v, accepted %v", byQUIC, status, body, head, c.state().ECHAccepted)
		}
		first := "t13d"
		if byQUIC {
			first = "q13d"
		}
		if print := head.Get("X-Print"); !strings.HasPrefix(print, first) || len(print) != 36 {
			t.Errorf("QUIC %v: JA4 %q", byQUIC, print)
		}
		c.end()
		line := "secret.example.com CN=a " + head.Get("X-Print")
		for by := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if log, _ := os.ReadFile(weir.Log); strings.Contains(string(log), line) {
				break
			} else if time.Now().After(by) {
				t.Fatalf("QUIC %v: the log does not have %q:\n%s", byQUIC, line, log)
			}
		}
	}
}
