package exchange

import (
	"net"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
)

const revealing = "HTTP/1.1 302 Found\r\nServer: secret\r\nvia: 1.1 secret\r\nX-Powered-By: secret\r\nX-FEServer: secret\r\nX-BEServer: secret\r\n" +
	"X-AspNet-Version: secret\r\nAlt-Svc: h3=\"secret:443\"\r\nX-MS-Server-Fqdn: secret\r\nX-Diaginfo: secret\r\nX-Mine: stays\r\n" +
	"Location: http://10.0.0.1/inside/next\r\nLink: <http://10.0.0.2:80/inside/a>; rel=next\r\nSet-Cookie: a=b; Domain=10.0.0.1; Path=/inside/x\r\n" +
	"Set-Cookie: c=d; path=/inside/\r\nRefresh: 1; url=/inside/r\r\nContent-Location: /inside/c\r\nContent-Length: 0\r\n\r\n"

func TestAnswersDoNotTellOfTheirServers(t *testing.T) {
	inWorld(t, servers(plain(map[string]string{"/a": revealing}), plain(nil)), func(w *world) {
		w.route.Identity = &filter.Identity{Paths: &filter.PathMap{Server: "/inside/", Public: "/"}}
		c := w.client()
		c.send(getting("/a"))
		head := c.want("a redirect", 302, "")
		for name, want := range map[string]string{"Server": "", "Via": "", "X-Powered-By": "", "X-FEServer": "", "X-AspNet-Version": "", "Alt-Svc": "",
			"X-MS-Server-Fqdn": "", "X-Mine": "stays", "Location": "http://a.example/next", "Link": "<http://a.example/a>; rel=next",
			"Set-Cookie": "a=b; Domain=a.example; Path=/x|c=d; Path=/", "Refresh": "1; url=/r", "Content-Location": "/c"} {
			if got := strings.Join(head.Values(name), "|"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for name, values := range head {
			for _, v := range values {
				if strings.Contains(v, "secret") || strings.Contains(v, "10.0.0.") {
					t.Errorf("%s: %s tells of the server", name, v)
				}
			}
		}
	})
}

func TestIdentitiesMayBeShown(t *testing.T) {
	inWorld(t, servers(plain(map[string]string{"/a": revealing})), func(w *world) {
		w.route.Identity = nil
		c := w.client()
		c.send(getting("/a"))
		head := c.want("a redirect", 302, "")
		for name, want := range map[string]string{"Server": "secret", "Via": "1.1 secret", "Location": "http://10.0.0.1/inside/next"} {
			if got := head.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

func TestEarlyHintsDoNotTellOfTheirServers(t *testing.T) {
	hints := "HTTP/1.1 103 Early Hints\r\nServer: secret\r\nLink: <http://10.0.0.1/a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	inWorld(t, servers(plain(map[string]string{"/a": hints})), func(w *world) {
		c := w.client()
		c.send(getting("/a"))
		var text [200]byte
		n, _ := c.Read(text[:])
		if got, want := string(text[:n]), "HTTP/1.1 103 Early Hints\r\nLink: <http://a.example/a.css>; rel=preload\r\n\r\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c.want("the answer", 200, "")
	})
}

func TestAnswersOfWeirNameNoServer(t *testing.T) {
	dead := func(c net.Conn) {}
	garbage := func(c net.Conn) { c.Write([]byte("10.0.0.2 is not HTTP\r\n\r\n")) }
	inWorld(t, servers(dead, garbage), func(w *world) {
		for range 4 {
			c := w.client()
			c.send(getting("/a"))
			status, body, head := c.answer("GET")
			if status < 502 || strings.Contains(body, "10.0.0") {
				t.Errorf("%d %q", status, body)
			}
			for name, values := range head {
				if strings.Contains(strings.Join(values, ""), "10.0.0") {
					t.Errorf("%s: %q", name, values)
				}
			}
		}
	})
}

// WebDAV's COPY and MOVE name where to: the server must find its own name and path there.
func TestURLsOfTheSiteInRequestsAreTheServers(t *testing.T) {
	fields := "Destination: http://a.example/dav/new\r\nIf: <http://a.example/dav/x> (<urn:uuid:1>)\r\nReferer: http://a.example/dav/\r\nOrigin: http://a.example\r\n"
	for _, c := range []struct {
		name  string
		route func(w *world)
		want  string
	}{
		{"as they are", func(w *world) {}, "[http://a.example/dav/new][<http://a.example/dav/x> (<urn:uuid:1>)][http://a.example/dav/][http://a.example]"},
		{"another host and path", func(w *world) {
			w.route.Host, w.route.HostName = site.HostNamed, "in.test:8080"
			w.route.Paths = &filter.PathMap{Public: "/dav/", Server: "/files/"}
		}, "[http://in.test:8080/files/new][<http://in.test:8080/files/x> (<urn:uuid:1>)][http://in.test:8080/files/][http://in.test:8080]"},
		{"TLS ends here", func(w *world) {
			setup := *w.http.Setup()
			setup.Public.Scheme = "https"
			w.http.Swap(&setup)
		}, "[http://a.example/dav/new]"},
	} {
		inWorld(t, servers(says("Destination", "If", "Referer", "Origin")), func(w *world) {
			c.route(w)
			conn := w.client()
			sent := fields
			if c.name == "TLS ends here" {
				sent = "Destination: https://a.example/dav/new\r\n"
				c.want += "[][][]"
			}
			conn.send("MOVE /dav/x HTTP/1.1\r\nHost: a.example\r\n" + sent + "\r\n")
			conn.want(c.name, 200, c.want)
			conn.Close()
		})
	}
}
