package faults

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFiles asks a running weir for files, in the clear and over TLS.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	ca.issue("front", time.Now().Add(time.Hour), "files.test")
	www := filepath.Join(dir, "www")
	large := make([]byte, 9<<20+123)
	rand.Read(large)
	for name, text := range map[string][]byte{"index.html": []byte("front"), "app.css": []byte("plain"), "app.css.gz": []byte("zipped"), "sub/index.html": []byte("sub"),
		"large.bin": large} {
		os.MkdirAll(filepath.Join(www, filepath.Dir(name)), 0o755)
		if err := os.WriteFile(filepath.Join(www, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, fmt.Sprintf(`
listeners:
  front: "FRONT"
  secure: { address: "SECOND", tls: { certificates: [{ cert: %s/front.pem, key: %s/front.key }] } }
sites:
  "*":
    /static/*: { files: %s, response_headers: { set: { Cache-Control: max-age=60 } } }
    /moved/*: { files: %s, rewrite: "/*" }
    /*: { files: { root: %s, fallback: /index.html } }
    /gone/*: { files: %s/nowhere }
admin: "ADMIN"
logs: { access: off }
`, dir, dir, www, www, www, dir))
	plain := &http.Client{Transport: &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	secure := &http.Client{Transport: &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: ca.pool, ServerName: "files.test"}}, CheckRedirect: plain.CheckRedirect}
	for scheme, client := range map[string]*http.Client{"http://" + s.address["FRONT"]: plain, "https://" + s.address["SECOND"]: secure} {
		ask := func(method, path string, fields ...string) (*http.Response, string) {
			t.Helper()
			r, _ := http.NewRequest(method, scheme+path, nil)
			for i := 0; i < len(fields); i += 2 {
				r.Header.Set(fields[i], fields[i+1])
			}
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Errorf("%s %s: the body ends with %v", method, path, err)
			}
			return response, string(body)
		}
		want := func(method, path string, status int, body string, fields ...string) http.Header {
			t.Helper()
			response, got := ask(method, path, fields...)
			if response.StatusCode != status || body != "*" && got != body {
				t.Errorf("%s %s %v: %d %.60q, want %d %.60q", method, path, fields, response.StatusCode, got, status, body)
			}
			return response.Header
		}
		h := want("GET", "/static/", 200, "front")
		if h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cache-Control") != "max-age=60" || h.Get("Accept-Ranges") != "bytes" {
			t.Errorf("fields: %v", h)
		}
		want("GET", "/static/index.html", 200, "front")
		want("GET", "/moved/sub/", 200, "sub")
		if at := want("GET", "/static/sub?x=1", 301, "*").Get("Location"); at != "/static/sub/?x=1" {
			t.Errorf("a directory is at %q", at)
		}
		if at := want("GET", "/static", 301, "*").Get("Location"); at != "/static/" {
			t.Errorf("the directory itself is at %q", at)
		}
		want("GET", "/static/nothing", 404, "*")
		want("GET", "/an/application", 200, "front")
		want("GET", "/gone/x", 503, "*")
		if h := want("POST", "/static/index.html", 405, "*"); h.Get("Allow") != "GET, HEAD" {
			t.Errorf("allowed: %q", h.Get("Allow"))
		}
		if h := want("HEAD", "/static/large.bin", 200, ""); h.Get("Content-Length") != fmt.Sprint(len(large)) {
			t.Errorf("HEAD: %v", h)
		}
		for range 2 {
			if h := want("GET", "/static/app.css", 200, "zipped", "Accept-Encoding", "gzip"); h.Get("Content-Encoding") != "gzip" || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Type") != "text/css; charset=utf-8" {
				t.Errorf("precompressed: %v", h)
			}
			want("GET", "/static/app.css", 200, "plain")
		}
		h = want("GET", "/static/large.bin", 200, string(large))
		want("GET", "/static/large.bin", 304, "", "If-None-Match", h.Get("ETag"))
		want("GET", "/static/large.bin", 304, "", "If-Modified-Since", h.Get("Last-Modified"))
		want("GET", "/static/large.bin", 412, "", "If-Match", `"other"`)
		if h := want("GET", "/static/large.bin", 416, "", "Range", "bytes=99999999-"); h.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(large)) {
			t.Errorf("416: %v", h)
		}
		if h := want("GET", "/static/large.bin", 206, string(large[1000:5000000]), "Range", "bytes=1000-4999999", "If-Range", h.Get("ETag")); h.Get("Content-Range") != fmt.Sprintf("bytes 1000-4999999/%d", len(large)) {
			t.Errorf("206: %v", h)
		}
		parts(t, large, "/static/large.bin", func() (*http.Response, string) {
			return ask("GET", "/static/large.bin", "Range", "bytes=0-9, 5000000-5100000, -7")
		})
		parts(t, []byte("front"), "/static/index.html", func() (*http.Response, string) {
			return ask("GET", "/static/index.html", "Range", "bytes=0-0, 2-3, -1")
		})
	}
	if n := s.status().Exchanges.Reasons["none.deliver.file"]; n == 0 {
		t.Error("files are not counted")
	}
}

// parts wants a multipart answer whose parts are those of the file.
func parts(t *testing.T, file []byte, path string, ask func() (*http.Response, string)) {
	t.Helper()
	response, body := ask()
	kind, parameters, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode != 206 || err != nil || kind != "multipart/byteranges" {
		t.Fatalf("%s: %d %v", path, response.StatusCode, response.Header)
	}
	n := 0
	for r := multipart.NewReader(strings.NewReader(body), parameters["boundary"]); ; n++ {
		p, err := r.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: part %d: %v", path, n, err)
		}
		var from, to, size int
		fmt.Sscanf(p.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size)
		text, _ := io.ReadAll(p)
		if size != len(file) || !bytes.Equal(text, file[from:to+1]) {
			t.Errorf("%s: part %d is not bytes %d to %d of %d", path, n, from, to, size)
		}
	}
	if n != 3 {
		t.Errorf("%s: %d parts", path, n)
	}
}

// A file that is replaced or removed is so for clients a moment later, and its descriptor is given back.
func TestFilesThatChange(t *testing.T) {
	www := t.TempDir()
	s := start(t, "listeners:\n  front: \"FRONT\"\nsites:\n  \"*\": { files: "+www+" }\nadmin: \"ADMIN\"\nlogs: { access: off }\n")
	body := func() string {
		_, text, err := dial(t, s.address["FRONT"]).get("/f")
		if err != nil {
			t.Error(err)
		}
		return text
	}
	big := func(c string) string { return strings.Repeat(c, 100<<10) }
	put := func(text string) {
		os.WriteFile(filepath.Join(www, "next"), []byte(text), 0o644)
		os.Rename(filepath.Join(www, "next"), filepath.Join(www, "f"))
	}
	for _, text := range []string{big("a"), "small", big("b")} {
		put(text)
		within(t, 3*time.Second, "the new file", func() bool { return body() == text })
	}
	os.Remove(filepath.Join(www, "f"))
	within(t, 3*time.Second, "the file to be gone", func() bool { return strings.HasPrefix(body(), "404") })
	within(t, 3*time.Second, "its descriptors to be given back", func() bool {
		out, _ := exec.Command("sh", "-c", fmt.Sprintf("ls -l /proc/%d/fd", s.Pid())).Output()
		body()
		return !strings.Contains(string(out), www)
	})
}

// A small file that is written to in place is so for all clients a moment later, whatever they know of it and whichever loop serves them.
func TestSmallFilesThatAreWrittenToInPlace(t *testing.T) {
	www := t.TempDir()
	s := start(t, "listeners:\n  front: \"FRONT\"\nsites:\n  \"*\": { files: "+www+" }\nadmin: \"ADMIN\"\nlogs: { access: off }\n")
	var clients []*conn
	for range 6 {
		clients = append(clients, dial(t, s.address["FRONT"]))
	}
	ask := func(c *conn, fields string) (int, string, string) {
		c.header = fields
		response, text, err := c.get("/f")
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, text, response.Header.Get("ETag")
	}
	etag := ""
	for round := range 10 {
		text := strings.Repeat(string(rune('a'+round)), 1000+100*round)
		if err := os.WriteFile(filepath.Join(www, "f"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		next := ""
		for i, c := range clients {
			if status, got, tag := ask(c, ""); status != 200 || got != text {
				t.Errorf("round %d, client %d: %d, %d bytes that begin with %.1q", round, i, status, len(got), got)
			} else {
				next = tag
			}
			if etag == "" {
				continue
			}
			if status, _, _ := ask(c, "If-None-Match: "+etag+"\r\n"); status != 200 {
				t.Errorf("round %d, client %d: %d for a tag of before", round, i, status)
			}
			if status, got, _ := ask(c, "Range: bytes=0-9\r\nIf-Range: "+etag+"\r\n"); status != 200 || got != text {
				t.Errorf("round %d, client %d: %d, %d bytes for a range of before", round, i, status, len(got))
			}
			if status, got, _ := ask(c, fmt.Sprintf("Range: bytes=%d-\r\n", len(text)-100)); status != 206 || len(got) != 100 {
				t.Errorf("round %d, client %d: %d, %d bytes of what is behind", round, i, status, len(got))
			}
		}
		etag = next
	}
}
