package http2

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/test/peers"
)

// uploading is a Node program that uploads much and prints the status and the body of the response, which comes before the end of the upload.
const uploading = `
const http2 = require('http2'), fs = require('fs');
let left = 6, failed = '';
function one() {
  const client = http2.connect(process.argv[2], { ca: fs.readFileSync(process.argv[3]), servername: 'localhost' });
  client.on('error', e => { console.log('connection: ' + e); process.exit(1); });
  const r = client.request({ ':method': 'POST', ':path': process.argv[4] });
  let status = '', body = '';
  r.on('response', h => status = h[':status']);
  r.on('data', d => body += d);
  r.on('error', e => failed += e.message + ' ');
  r.on('close', () => { if (status + body !== process.argv[5]) failed += status + body + ' '; client.close(); if (--left) one(); else console.log(failed || 'fine'); });
  r.end(Buffer.alloc(3000000));
}
one();
`

// A response that comes before the end of the upload arrives, whole, at clients that people use: the rest of the request is refused only after they have had time to
// read it.
func TestEarlyResponsesArrive(t *testing.T) {
	early := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1000)
		w.WriteHeader(403)
		w.Write([]byte("no more"))
	}))
	w := newWorld(t, fmt.Sprintf("pools: { early: %q }\nsites: { \"*\": { /early: { pool: early, body_limit: off }, /limit: { pool: early, body_limit: 1MiB }, /own: { respond: { status: 403, body: \"no more\" } } } }\n", early))
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 3_000_000), 0o644); err != nil {
		t.Fatal(err)
	}
	base := "https://localhost" + w.secure[strings.LastIndex(w.secure, ":"):]
	curls := map[string]string{"the system's curl": "curl"}
	if newer, err := peers.Newer("curl"); err == nil {
		curls["a newer curl"] = newer
	}
	for path, want := range map[string]string{"/early": "403no more", "/own": "403no more", "/limit": "413"} {
		for name, curl := range curls {
			failed := 0
			var last []byte
			for range 30 {
				out, err := exec.Command(curl, "-sS", "--http2", "--cacert", filepath.Join(w.dir, "cert.pem"), "-H", "Expect:", "-T", large, "-X", "POST", "-w", "\n%{http_code}", base+path).CombinedOutput()
				body, status, _ := strings.Cut(string(out), "\n")
				if err != nil || !strings.HasPrefix(strings.TrimSpace(status)+body, want) {
					failed, last = failed+1, append(out, fmt.Sprint(err)...)
				}
			}
			if failed > 0 {
				t.Errorf("%s, %s: %d of 30 responses were lost, as with %q", name, path, failed, last)
			}
		}
		for i := range 30 {
			response, err := w.http().Post(base+path, "text/plain", bytes.NewReader(make([]byte, 3_000_000)))
			if err != nil {
				t.Errorf("Go, %s, %d: %v", path, i, err)
				continue
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if got := fmt.Sprint(response.StatusCode, string(body)); err != nil || !strings.HasPrefix(strings.ReplaceAll(got, " ", ""), strings.ReplaceAll(want, " ", "")) {
				t.Errorf("Go, %s: %q, %v", path, got, err)
			}
		}
		if want == "413" {
			continue // its body is weir's own page
		}
		script := filepath.Join(dir, "upload.js")
		if err := os.WriteFile(script, []byte(uploading), 0o644); err != nil {
			t.Fatal(err)
		}
		node, err := peers.Find("node")
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(node, script, base, filepath.Join(w.dir, "cert.pem"), path, want).CombinedOutput()
		if strings.TrimSpace(string(out)) != "fine" {
			t.Errorf("Node, %s: %s %v", path, out, err)
		}
	}
}

// Clients reset requests that were answered before their end, as RFC 9113 section 8.1 has it, and servers do. However many there are, that is no flood, and their connections go on.
func TestResetsOfAnsweredRequestsAreNoFlood(t *testing.T) {
	server := newRawServer(t, func(c *rawConn, id uint32) {
		c.answer(id, "no more")
		c.locked(func() error { return c.WriteRSTStream(id, http2.ErrCodeNo) })
	})
	w := newWorld(t, fmt.Sprintf("pools: { early: { servers: [%q], protocol: h2c, health: off } }\nsites: { \"*\": { /early: early, /own: { respond: { status: 403, body: \"no more\" } } } }\n", server.address))
	for path, status := range map[string]string{"/own": "403", "/early": "200"} {
		c := w.dial(w.clear)
		for i := range 400 {
			id, err := c.open(false, ":method: POST", ":scheme: http", ":authority: localhost", ":path: "+path)
			if err != nil {
				t.Fatalf("%s, request %d: %v", path, i, err)
			}
			a, err := c.await(id)
			if err != nil || a.status != status || string(a.body) != "no more" {
				t.Fatalf("%s, request %d: %+v, %v", path, i, a, err)
			}
			c.WriteRSTStream(id, http2.ErrCodeCancel)
		}
	}
	if n := server.conns.Load(); n > 2 { // one for each loop
		t.Errorf("%d connections to the server", n)
	}
}
