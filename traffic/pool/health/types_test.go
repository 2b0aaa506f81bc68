package health

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// check is one check of the server at the address.
func check(t *testing.T, address string, c Config) error {
	t.Helper()
	c.Timeout = or(c.Timeout, 500*time.Millisecond)
	p := probe{Config: c.withDefaults(), server: web(nil, address).Set().Servers[0], dial: dial}
	return p.run(t.Context())
}

func wants(t *testing.T, what string, err error, part string) {
	t.Helper()
	if (err == nil) != (part == "") || err != nil && !strings.Contains(err.Error(), part) {
		t.Errorf("%s: %v, want %q", what, err, part)
	}
}

func TestHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/host" {
			fmt.Fprint(w, r.Method, " ", r.Host, " ", r.UserAgent())
			return
		}
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
		w.(http.Flusher).Flush() // chunked from here
		fmt.Fprint(w, "all is ")
		w.(http.Flusher).Flush()
		fmt.Fprint(w, "well")
	}))
	defer s.Close()
	address := s.Listener.Addr().String()
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Path: "/200"}, ""},
		{Config{Path: "/302"}, ""}, // not followed
		{Config{Path: "/404"}, "status 404"},
		{Config{Path: "/503"}, "status 503"},
		{Config{Path: "/204", Status: []Range{{200, 200}}}, "status 204"},
		{Config{Path: "/418", Status: []Range{{200, 200}, {418, 420}}}, ""},
		{Config{Path: "/200", Body: "is well"}, ""},
		{Config{Path: "/200", Body: "ill"}, `no "ill" in the body`},
		{Config{Path: "/host", Body: "GET " + address + " weir-health"}, ""},
		{Config{Path: "/host", Host: "app.test", Body: "GET app.test weir-health"}, ""},
		{Config{Type: "https"}, "tls"},
		{Config{Type: "tcp"}, ""},
		{Config{Port: 1}, "connect"},
	} {
		wants(t, fmt.Sprintf("%+v", c.config), check(t, address, c.config), c.want)
	}
	elsewhere := Config{Path: "/200", Port: uint16(s.Listener.Addr().(*net.TCPAddr).Port)}
	wants(t, "another port", check(t, "127.0.0.1:1", elsewhere), "")
}

func TestHTTPSAndTLSVerify(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of every handshake that is to fail
	s.StartTLS()
	defer s.Close()
	trusted := s.Client().Transport.(*http.Transport).TLSClientConfig
	address := s.Listener.Addr().String()
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Type: "tls", TLS: trusted}, ""}, // 127.0.0.1 is in the certificate
		{Config{Type: "tls", TLS: trusted, Host: "example.com:443"}, ""},
		{Config{Type: "tls", TLS: trusted, Host: "other.test"}, "tls"},
		{Config{Type: "tls"}, "tls"}, // unknown authority
		{Config{Type: "tls", TLS: &tls.Config{InsecureSkipVerify: true}}, ""},
		{Config{Type: "https", TLS: trusted}, "status 404"},
		{Config{Type: "https", TLS: trusted, Status: []Range{{404, 404}}}, ""},
	} {
		wants(t, fmt.Sprintf("%s %s", c.config.Type, c.config.Host), check(t, address, c.config), c.want)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	defer listener.Close()
	wants(t, "unix", check(t, "unix:"+path, Config{Body: "localhost", Port: 99}), "")
}

// Servers that do what they should not: the check fails, in time and in little memory.
func TestHostileServers(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		answer string
		repeat string // without end
		want   string
	}{
		"nothing":           {answer: "", want: "receive"},
		"silence":           {answer: "HTTP/1.1 200 OK\r\n", repeat: " ", want: "receive"},
		"endless head":      {answer: "HTTP/1.1 200 OK\r\n", repeat: "X-Y: " + strings.Repeat("z", 1000) + "\r\n", want: "receive"},
		"endless line":      {answer: "HTTP/1.1 200 ", repeat: strings.Repeat("O", 1000), want: "receive"},
		"not HTTP":          {answer: "220 mail.test ESMTP\r\n\r\n", want: "receive"},
		"HTTP/0.9":          {answer: "<html>", want: "receive"},
		"status of letters": {answer: "HTTP/1.1 2xx OK\r\n\r\n", want: "receive"},
		"endless interim":   {repeat: "HTTP/1.1 103 Early Hints\r\n\r\n", want: "interim"},
		"interim, then 200": {answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", want: ""},
		"endless body":      {config: Config{Body: "ready"}, answer: "HTTP/1.1 200 OK\r\n\r\n", repeat: strings.Repeat("x", 1000), want: "no \"ready\""},
		"short body":        {config: Config{Body: "ready"}, answer: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nrea", want: "unexpected EOF"},
		"broken chunks":     {config: Config{Body: "ready"}, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nready", want: "no \"ready\""},
		"body not read":     {answer: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nrea", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				http.ReadRequest(bufio.NewReader(conn))
				_, err = io.WriteString(conn, c.answer)
				for c.repeat != "" && err == nil {
					_, err = io.WriteString(conn, c.repeat)
				}
			}()
			wants(t, name, check(t, listener.Addr().String(), c.config), c.want)
		})
	}
}

func TestHostOfIPv6AndNames(t *testing.T) {
	for _, c := range []struct{ address, host, want string }{
		{"[2001:db8::1]:80", "", "[2001:db8::1]"},
		{"[2001:db8::1]:8080", "", "[2001:db8::1]:8080"},
		{"[fe80::1%eth0]:80", "", "[fe80::1]"},
		{"10.0.0.1:80", "", "10.0.0.1"},
		{"10.0.0.1:81", "app.test", "app.test"},
	} {
		p := probe{Config: Config{Host: c.host}, server: web(nil, c.address).Set().Servers[0]}
		if got := p.authority(80); got != c.want {
			t.Errorf("%s: %s, want %s", c.address, got, c.want)
		}
	}
	p := probe{server: &pool.Server{Host: "app.test", Address: web(nil, "10.0.0.1:8080").Set().Servers[0].Address}}
	if got := p.authority(80); got != "app.test:8080" {
		t.Error(got)
	}
}
