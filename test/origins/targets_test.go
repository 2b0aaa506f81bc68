package origins

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

const targets = `
listeners:
  plain: { address: PLAIN }
  tls:   { address: TLS, http: [http1, http2], tls: { certificates: [{ cert: app/cert.pem, key: app/key.pem }] } }
logs: { access: off }
admin: { address: ADMIN, socket: off }
pools:
  one: { servers: [ONE] }
  two: { servers: [ONE], protocol: h2c }
sites:
  gitlab.test: { /*: { respond: 404 }, /api/*: one, "~^/[^/]+/-/": one }
  s3.test:     one
  s3h2.test:   two
  rabbit.test: { /*: { respond: 404 }, /api/*: one, /api/admin: { pool: one, deny: [127.0.0.0/8] } }
  kept.test:   { path: { encoded_slash: pass }, /*: one, /admin/*: { pool: one, deny: [127.0.0.0/8] } }
  strict.test: { path: { encoded_slash: refuse }, /*: one }
`

// TestServersReceiveTheTargetThatWasSent publishes applications that give a meaning to bytes which other proxies rewrite.
func TestServersReceiveTheTargetThatWasSent(t *testing.T) {
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir()}
	w.certificate("app", "gitlab.test")
	keep := func(p *peers.Process, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop() })
	}
	text := strings.NewReplacer("PLAIN", addresses[0], "TLS", addresses[1], "ADMIN", addresses[2], "ONE", objects(t)).Replace(targets)
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	keep(peers.Weir(binary, w.dir, text, addresses[:3]...))
	for _, version := range []string{"http1", "http2"} {
		c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				to := addresses[0]
				if version == "http2" {
					to = addresses[1]
				}
				return (&net.Dialer{}).DialContext(ctx, network, to)
			},
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			ForceAttemptHTTP2: version == "http2",
		}}
		scheme := "http"
		if version == "http2" {
			scheme = "https"
		}
		t.Run(version, func(t *testing.T) { targetsArrive(t, c, scheme) })
		t.Run(version+" signed", func(t *testing.T) { signedObjects(t, c, scheme) })
	}
}

// objects starts a server of HTTP/1.1 and HTTP/2 in clear text that says which target it got, and whether its signature is right.
func objects(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: p, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" && a != "AWS4-HMAC-SHA256 Signature="+signature(r.Method, r.RequestURI, r.Host, r.Header) {
			http.Error(w, "SignatureDoesNotMatch: "+r.RequestURI, http.StatusForbidden)
			return
		}
		w.Header().Set("X-Target", r.RequestURI)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func ask(t *testing.T, c *http.Client, method, scheme, host, target string, header http.Header) (status int, arrived string) {
	t.Helper()
	path, query, hasQuery := strings.Cut(target, "?")
	u := &url.URL{Scheme: scheme, Host: host, Opaque: "//" + host + path, RawQuery: query, ForceQuery: hasQuery && query == ""}
	r := &http.Request{Method: method, URL: u, Host: host, Header: http.Header{}}
	if header != nil {
		r.Header = header
	}
	res, err := c.Do(r)
	if err != nil {
		t.Errorf("%s: %v", target, err)
		return 0, ""
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode, res.Header.Get("X-Target")
}

func targetsArrive(t *testing.T, c *http.Client, scheme string) {
	for _, a := range []struct {
		host, target string
		status       int
	}{
		{"gitlab.test", "/api/v4/projects/group%2Fsub%2fproject", 200},
		{"gitlab.test", "/api/v4/projects/group%2Fproject/repository/files/lib%2Fa%2Eb%20c%2Erb?ref=main%2F1", 200},
		{"gitlab.test", "/api/v4/../../etc/passwd", 400},
		{"gitlab.test", "/x/..%2fapi/v4/projects", 400},
		{"rabbit.test", "/api/queues/%2f/jobs", 200},
		{"rabbit.test", "/api/queues/%2F/a%2Fb", 200},
		{"rabbit.test", "/api%2fadmin", 400},
		{"rabbit.test", "/api/x/..%2fadmin", 400},
		{"rabbit.test", "/api/x/%252e%252e/admin", 400},
		{"rabbit.test", "/api/admin", 403},
		{"s3.test", "/bucket//key%2F..%5Cx//", 200},
		{"s3.test", "/bucket/%61%2d%7e'()*!$&+,;=:@", 200},
		{"s3.test", "/bucket/a/./b/../c?", 200},
		{"s3.test", "/?list-type=2&prefix=a%2f//b", 200},
		{"s3.test", "/%zz", 400},
		{"s3.test", "/a%00b", 400},
		{"s3h2.test", "/bucket//key%2f%41", 200},
		{"kept.test", "/admin%2fx", 200},
		{"kept.test", "/admin/x", 403},
		{"kept.test", "/x/..%5cadmin/y", 400},
		{"strict.test", "/x%2fy", 400},
	} {
		status, arrived := ask(t, c, "GET", scheme, a.host, a.target, nil)
		if want := map[bool]string{true: a.target}[a.status == 200]; status != a.status || arrived != want {
			t.Errorf("%s%s: got %d, the server saw %q; want %d", a.host, a.target, status, arrived, a.status)
		}
	}
}

// signedObjects signs as clients of S3 do, and has the server check the signature over what it got.
func signedObjects(t *testing.T, c *http.Client, scheme string) {
	for _, target := range []string{"/bucket/plain", "/bucket//double//slash", "/bucket/with%2Fslash", "/bucket/%7Etilde%2D", "/bucket/a%20b%2Bc", "/bucket/dots/../kept", "/bucket/%C3%BC",
		"/bucket/lower%c3%bc?X=%2f"} {
		h := http.Header{"X-Amz-Date": {"20260101T000000Z"}}
		h.Set("Authorization", "AWS4-HMAC-SHA256 Signature="+signature("PUT", target, "s3.test", h))
		if status, _ := ask(t, c, "PUT", scheme, "s3.test", target, h); status != 200 {
			t.Errorf("%s: got %d", target, status)
		}
	}
}

// signature is AWS Signature Version 4 over a request without content; of S3, whose canonical path is the path as it is sent.
func signature(method, target, host string, h http.Header) string {
	path, query, _ := strings.Cut(target, "?")
	parameters := strings.Split(query, "&")
	slices.Sort(parameters)
	empty := sha256.Sum256(nil)
	canonical := strings.Join([]string{method, path, strings.Join(parameters, "&"), "host:" + host, "x-amz-date:" + h.Get("X-Amz-Date"), "", "host;x-amz-date",
		hex.EncodeToString(empty[:])}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4secret")
	for _, part := range []string{"20260101", "us-east-1", "s3", "aws4_request", "AWS4-HMAC-SHA256\n20260101T000000Z\n" + hex.EncodeToString(sum[:])} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}
