package faults

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// An nginx with one port for each certificate. What it is asked stands in the log of its port.
const tlsNginx = `
daemon off;
pid nginx.pid;
USER
error_log stderr crit;
events { }
http {
    client_body_temp_path body;
    server { listen GOOD ssl; ssl_certificate good.pem; ssl_certificate_key good.key; access_log good.log;
             ssl_client_certificate internal.pem; ssl_verify_client optional;
             location / { return 200 "good $ssl_server_name $ssl_client_s_dn"; } }
    server { listen NAMED ssl; ssl_certificate named.pem; ssl_certificate_key named.key; access_log named.log;
             location / { return 200 "named $ssl_server_name"; } }
    server { listen FOREIGN ssl; ssl_certificate foreign-server.pem; ssl_certificate_key foreign-server.key; access_log foreign.log;
             location / { return 200 foreign; } }
    server { listen EXPIRED ssl; ssl_certificate expired.pem; ssl_certificate_key expired.key; access_log expired.log;
             location / { return 200 expired; } }
}
`

const tlsServersConfig = `
listeners:
  front: { address: "FRONT" }
pools:
  good:         { servers: ["GOOD"],    tls: { ca: CERTS/internal.pem } }
  named:        { servers: ["NAMED"],   tls: { ca: CERTS/internal.pem, server_name: inner.test } }
  client:       { servers: ["GOOD"],    tls: { ca: CERTS/internal.pem, client_cert: { cert: CERTS/weir.pem, key: CERTS/weir.key } } }
  system-roots: { servers: ["https://GOOD"] }
  wrong-name:   { servers: ["NAMED"],   tls: { ca: CERTS/internal.pem } }
  wrong-ca:     { servers: ["FOREIGN"], tls: { ca: CERTS/internal.pem } }
  expired:      { servers: ["EXPIRED"], tls: { ca: CERTS/internal.pem } }
  unverified:   { servers: ["FOREIGN"], tls: { verify: off } }
sites:
  "*":
    /good: good
    /named: named
    /client: client
    /system-roots: system-roots
    /wrong-name: wrong-name
    /wrong-ca: wrong-ca
    /expired: expired
    /unverified: unverified
admin: "ADMIN"
logs: { access: { format: json, file: DIR/access.log } }
`

func TestServersAreVerified(t *testing.T) {
	addresses, err := peers.FreeAddresses(4)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	internal, foreign := newAuthority(t, dir, "internal"), newAuthority(t, dir, "foreign")
	later := time.Now().Add(time.Hour)
	internal.issue("good", later)
	internal.issue("named", later, "inner.test")
	internal.issue("expired", time.Now().Add(-time.Hour))
	internal.issue("weir", later, "weir.test")
	foreign.issue("foreign-server", later)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	fill := strings.NewReplacer("GOOD", addresses[0], "NAMED", addresses[1], "FOREIGN", addresses[2], "EXPIRED", addresses[3],
		"CERTS", dir, "USER", user).Replace
	nginx, err := peers.Nginx(dir, fill(tlsNginx), addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	s := start(t, fill(tlsServersConfig))
	for path, want := range map[string]struct {
		status int
		body   string // the start of it
	}{
		"/good": {200, "good"}, "/named": {200, "named inner.test"}, "/client": {200, "good good.test CN=weir"}, "/unverified": {200, "foreign"},
		"/system-roots": {502, ""}, "/wrong-name": {502, ""}, "/wrong-ca": {502, ""}, "/expired": {502, ""},
	} {
		c := dial(t, s.address["FRONT"])
		for range 2 { // the second time on a connection that is kept, where there is one
			response, body, err := c.get(path)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if response.StatusCode != want.status || !strings.HasPrefix(body, want.body) {
				t.Errorf("%s: %s %q, want %d %q", path, response.Status, body, want.status, want.body)
			}
			if want.status == 502 && strings.Contains(body, "x509") {
				t.Errorf("%s: the client is told about certificates: %q", path, body)
			}
		}
	}
	log := waitForLog(t, filepath.Join(s.dir, "access.log"), 16)
	for _, line := range log {
		var l struct{ Target, Reason, Detail string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		verified := l.Target == "/good" || l.Target == "/named" || l.Target == "/client" || l.Target == "/unverified"
		if !verified && (l.Reason != "server.connect.tls" || !strings.Contains(l.Detail, "x509")) || verified && l.Reason != "none.finish.done" {
			t.Errorf("logged: %s", line)
		}
	}
	// What nginx has been asked: nothing where it could not be verified.
	for file, n := range map[string]int{"good.log": 4, "named.log": 2, "foreign.log": 2, "expired.log": 0} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(string(text)); len(got) != n {
			t.Errorf("nginx was asked %d times, want %d: %s: %q", len(got), n, file, got)
		}
	}
}

// waitForLog waits until a log has n lines, and returns them.
func waitForLog(t *testing.T, file string, n int) []string {
	t.Helper()
	var all []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if all = lines(string(text)); len(all) >= n {
			break
		}
	}
	if len(all) < n {
		t.Fatalf("%s has %d lines after 5 s, want %d", file, len(all), n)
	}
	return all
}
