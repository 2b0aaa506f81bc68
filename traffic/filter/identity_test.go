package filter

import (
	"regexp"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

// servers are the hosts by which the servers of these tests are known.
func servers(host []byte, parents bool) bool {
	for _, s := range []string{"fe1.contoso.local", "10.0.0.1", "[2001:db8::1]"} {
		if message.EqualFold(host, s) || parents && isBelow([]byte(s), string(host)) {
			return true
		}
	}
	return false
}

// secure is a client at https://meet.contoso.com:8443 of servers that speak clear text at port 8080.
func secure() *Public {
	return &Public{IsSecure: true, Authority: []byte("meet.contoso.com:8443"), Host: []byte("meet.contoso.com"), Port: []byte("8443"),
		ServerPort: 8080, IsServer: servers}
}

// clear is a client at http://meet.contoso.com of the same servers.
func clear() *Public {
	return &Public{Authority: []byte("meet.contoso.com"), Host: []byte("meet.contoso.com"), ServerPort: 8080, IsServer: servers}
}

// encrypted is a client of servers that are asked over TLS at port 4443.
func encrypted() *Public {
	p := secure()
	p.Authority, p.Port = p.Host, nil
	p.ServerIsSecure, p.ServerPort = true, 4443
	return p
}

func TestURLsOfServersBecomePublic(t *testing.T) {
	plain := &Identity{Names: []string{"fe1", "*.corp.contoso.local"}}
	below := &Identity{Paths: &PathMap{Server: "/", Public: "/api/"}}
	other := &Identity{Paths: &PathMap{Server: "/v2/", Public: "/v1/"}}
	above := &Identity{Paths: &PathMap{Server: "/app/", Public: "/"}}
	named := clear()
	named.ServerIsSecure, named.ServerPort = true, 443
	named.IsServer = func(host []byte, _ bool) bool { return sameHost(host, named.Host) }
	anonymous := secure()
	anonymous.Authority, anonymous.Host, anonymous.Port = nil, nil, nil
	for _, c := range []struct {
		by       *Identity
		p        *Public
		in, want string
	}{
		// A server by name or address, with or without port, in any case.
		{plain, secure(), "http://fe1.contoso.local/x?a=b#c", "https://meet.contoso.com:8443/x?a=b#c"},
		{plain, secure(), "http://FE1.Contoso.LOCAL:8080/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "HTTP://fe1.contoso.local.:8080/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "http://user:secret@10.0.0.1:8080/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "http://a@b@10.0.0.1/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "http://[2001:db8::1]:8080/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "//10.0.0.1/x", "//meet.contoso.com:8443/x"},
		{plain, secure(), "http://10.0.0.1", "https://meet.contoso.com:8443/"},
		{plain, secure(), "http://10.0.0.1?a=b", "https://meet.contoso.com:8443/?a=b"},
		{plain, secure(), "http://10.0.0.1:9999/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "http://fe1/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "http://db.Corp.contoso.local/x", "https://meet.contoso.com:8443/x"},
		{plain, clear(), "http://10.0.0.1:8080/x", "http://meet.contoso.com/x"},
		{plain, clear(), "https://10.0.0.1/x", "https://meet.contoso.com/x"},
		{plain, encrypted(), "https://10.0.0.1:4443/x", "https://meet.contoso.com/x"},
		{plain, encrypted(), "http://10.0.0.1/x", "https://meet.contoso.com/x"},
		// The public host as a server sees it that knows neither port nor scheme.
		{plain, secure(), "http://meet.contoso.com:8080/x", "https://meet.contoso.com:8443/x"},
		{plain, secure(), "http://meet.contoso.com:8443/x", "https://meet.contoso.com:8443/x"},
		{plain, encrypted(), "https://meet.contoso.com:4443/x", "https://meet.contoso.com/x"},
		// From http to https, or deliberately back, must not lead around in a circle.
		{plain, clear(), "https://meet.contoso.com/x", "https://meet.contoso.com/x"},
		{plain, encrypted(), "http://meet.contoso.com/x", "http://meet.contoso.com/x"},
		// A server that has the public name.
		{plain, named, "https://meet.contoso.com/x", "https://meet.contoso.com/x"},
		{plain, named, "http://meet.contoso.com/x", "http://meet.contoso.com/x"},
		{plain, named, "http://meet.contoso.com:8081/x", "http://meet.contoso.com/x"},
		// Foreign ones, and what is no URL.
		{plain, secure(), "http://www.example.com/x", "http://www.example.com/x"},
		{plain, secure(), "http://10.0.0.10/x", "http://10.0.0.10/x"},
		{plain, secure(), "http://corp.contoso.local/x", "http://corp.contoso.local/x"},
		{plain, secure(), "http://www.example.com@10.0.0.2/x", "http://www.example.com@10.0.0.2/x"},
		{plain, secure(), "mailto:root@10.0.0.1", "mailto:root@10.0.0.1"},
		{plain, secure(), "ftp://10.0.0.1/x", "ftp://10.0.0.1/x"},
		{plain, secure(), `http:\\10.0.0.1/x`, `http:\\10.0.0.1/x`},
		{plain, secure(), "http://10.0.0.1:99999999/x", "http://10.0.0.1:99999999/x"},
		{plain, secure(), "", ""},
		{plain, secure(), "x/y", "x/y"},
		{plain, secure(), "/x", "/x"},
		// Where a rewrite changed the beginning of the path.
		{below, secure(), "/login?next=/a", "/api/login?next=/a"},
		{below, secure(), "/", "/api/"},
		{below, secure(), "/api/login", "/api/login"},
		{below, secure(), "/api", "/api"},
		{below, secure(), "login", "login"},
		{below, secure(), "?a=/b", "?a=/b"},
		{below, secure(), "http://10.0.0.1/login", "https://meet.contoso.com:8443/api/login"},
		{below, secure(), "http://10.0.0.1", "https://meet.contoso.com:8443/api/"},
		{below, clear(), "https://meet.contoso.com/login", "https://meet.contoso.com/api/login"},
		{below, secure(), "http://www.example.com/login", "http://www.example.com/login"},
		{other, secure(), "/v2/x", "/v1/x"},
		{other, secure(), "/v2", "/v1"},
		{other, secure(), "/v2x", "/v2x"},
		{other, secure(), "/elsewhere", "/elsewhere"},
		{above, secure(), "/app/x", "/x"},
		{above, secure(), "/app", "/"},
		{above, secure(), "/app/", "/"},
		{above, secure(), "/app//evil.example/x", "/evil.example/x"},
		// A client that named no host.
		{plain, anonymous, "http://10.0.0.1/x", "/x"},
		{plain, anonymous, "http://10.0.0.1//evil.example/x", "/evil.example/x"},
		{plain, anonymous, "http://10.0.0.1", "/"},
	} {
		if got := string(c.by.AppendURL(nil, []byte(c.in), c.p)); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}

func TestFieldsOfServersBecomePublic(t *testing.T) {
	below := &Identity{Paths: &PathMap{Server: "/", Public: "/api/"}}
	plain := &Identity{}
	for _, c := range []struct {
		by       *Identity
		id       message.FieldID
		in, want string
	}{
		{below, message.FieldLink, `<http://10.0.0.1/next>; rel=next, </last>; rel="last"; title="</no>, \"<x>"; anchor="/here"`,
			`<https://meet.contoso.com:8443/api/next>; rel=next, </api/last>; rel="last"; title="</no>, \"<x>"; anchor="/api/here"`},
		{below, message.FieldLink, `<https://cdn.example.com/a.css>; rel=preload`, `<https://cdn.example.com/a.css>; rel=preload`},
		{below, message.FieldLink, `</open`, `</open`},
		{below, message.FieldLink, `</a>; title="open`, `</api/a>; title="open`},
		{below, message.FieldRefresh, "5; url=http://10.0.0.1/x", "5; url=https://meet.contoso.com:8443/api/x"},
		{below, message.FieldRefresh, "0;URL='/x'", "0;URL='/api/x'"},
		{below, message.FieldRefresh, `3, Url = "/x" more`, `3, Url = "/api/x" more`},
		{below, message.FieldRefresh, "5; /x", "5; /api/x"},
		{below, message.FieldRefresh, "5", "5"},
		{below, message.FieldRefresh, "5; url=", "5; url="},
		{plain, message.FieldSetCookie, "a=b; Domain=fe1.contoso.local; Path=/x", "a=b; Domain=meet.contoso.com; Path=/x"},
		{plain, message.FieldSetCookie, "a=b; domain=.FE1.contoso.local", "a=b; Domain=meet.contoso.com"},
		{plain, message.FieldSetCookie, "a=b; Domain=10.0.0.1;Secure", "a=b; Domain=meet.contoso.com;Secure"},
		{plain, message.FieldSetCookie, "a=b; Domain=contoso.local; HttpOnly", "a=b; HttpOnly"},
		{plain, message.FieldSetCookie, "a=b; Domain=contoso.com", "a=b; Domain=contoso.com"},
		{plain, message.FieldSetCookie, "a=b; Domain=meet.contoso.com", "a=b; Domain=meet.contoso.com"},
		{plain, message.FieldSetCookie, "a=b; Domain=example.com", "a=b; Domain=example.com"},
		{plain, message.FieldSetCookie, "Domain=10.0.0.1", "Domain=10.0.0.1"},
		{plain, message.FieldSetCookie, "a=b; Path=/", "a=b; Path=/"},
		{below, message.FieldSetCookie, "a=b; Path=/; Secure", "a=b; Path=/api; Secure"},
		{below, message.FieldSetCookie, "a=b; path=/x ; Max-Age=3", "a=b; Path=/api/x; Max-Age=3"},
		{below, message.FieldSetCookie, "a=b; Path=/api/x", "a=b; Path=/api/x"},
		{below, message.FieldSetCookie, "a=b; Path=x; Domain", "a=b; Path=x; Domain"},
		{below, message.FieldSetCookie, "__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"},
		{below, message.FieldSetCookie, "__host-a=b; Path=/; Secure", "__host-a=b; Path=/; Secure"},
		{below, message.FieldSetCookie, "a", "a"},
		{below, message.FieldSetCookie, "", ""},
		{below, message.FieldContentLocation, "/x", "/api/x"},
		{below, message.FieldLocation, "http://10.0.0.1/x", "https://meet.contoso.com:8443/api/x"},
	} {
		if got := string(c.by.AppendField(nil, c.id, []byte(c.in), secure())); got != c.want {
			t.Errorf("%v: %q becomes %q, want %q", c.id, c.in, got, c.want)
		}
	}
}

func TestRewritesAreUndone(t *testing.T) {
	for _, c := range []struct {
		public string
		group  int
		path   string
		regexp string
		want   PathMap
	}{
		{"/api/", 0, "/*", "", PathMap{"/", "/api/"}},
		{"/api/", 0, "*", "", PathMap{"/", "/api/"}},
		{"/", 0, "/app/*", "", PathMap{"/app/", "/"}},
		{"/v1/", 0, "/v2/*", "", PathMap{"/v2/", "/v1/"}},
		{"/old/", 1, "/new/$1", "", PathMap{"/new/", "/old/"}},
		{"/", 0, "/new/$1", "^/old/(.*)$", PathMap{"/new/", "/old/"}},
		{"/", 0, "/new/$1", "^/old/(.*)", PathMap{"/new/", "/old/"}},
		{"/", 0, "/new/$1", "^/(a|b)/(.*)$", PathMap{}},
		{"/", 0, "/new/$2/$1", "^/old/(.*)$", PathMap{}},
		{"/api/", 0, "/{host}/*", "", PathMap{}},
		{"/api/", 0, "/*/x", "", PathMap{}},
		{"/api/", 0, "/fixed", "", PathMap{}},
		{"/api/", 0, "/api/*", "", PathMap{}},
		{"", 0, "/x/*", "", PathMap{}},
	} {
		path, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		r := &Rewrite{Path: path}
		if c.regexp != "" {
			r.Pattern = regexp.MustCompile(c.regexp)
		}
		got := r.Reverse(c.public, c.group)
		if got == nil {
			got = &PathMap{}
		}
		if *got != c.want {
			t.Errorf("%s below %s (%s): undone by %+v, want %+v", c.path, c.public, c.regexp, *got, c.want)
		}
	}
}

// What was made public once stays as it is: through two weirs nothing is added twice. No line end and no server comes out of it.
func FuzzIdentityIsStable(f *testing.F) {
	for _, s := range []string{"http://10.0.0.1/x", "<http://10.0.0.1/x>; anchor=\"/y\"", "5; url='//10.0.0.1:8080//x'", "a=b; Domain=contoso.local; Path=/",
		"http://u@[2001:db8::1]:80?x", "/api", "//", "<>", "=;=;domain=.;path=/"} {
		f.Add(s)
	}
	ids := []message.FieldID{message.FieldLocation, message.FieldLink, message.FieldRefresh, message.FieldSetCookie}
	maps := []*PathMap{nil, {Server: "/", Public: "/api/"}, {Server: "/v2/", Public: "/v1/"}}
	f.Fuzz(func(t *testing.T, value string) {
		for _, paths := range maps {
			i := &Identity{Paths: paths}
			for _, id := range ids {
				for _, p := range []*Public{secure(), clear(), encrypted()} {
					once := i.AppendField(nil, id, []byte(value), p)
					twice := i.AppendField(nil, id, once, p)
					if string(once) != string(twice) {
						t.Fatalf("%v: %q becomes %q and then %q", id, value, once, twice)
					}
					if id == message.FieldLocation && len(value) < 200 {
						u := splitReference(once)
						if u.hasAuthority && u.isURL && servers(u.host, false) {
							t.Fatalf("%q becomes %q, which names a server", value, once)
						}
					}
					if strings.Count(string(once), "\n") > strings.Count(value, "\n") {
						t.Fatalf("%q becomes %q", value, once)
					}
				}
			}
		}
	})
}

func TestHidingAllocatesNothing(t *testing.T) {
	i := &Identity{Names: []string{"*.corp.contoso.local"}, Paths: &PathMap{Server: "/", Public: "/api/"}}
	p := secure()
	var room [256]byte
	for id, value := range map[message.FieldID]string{message.FieldLocation: "http://fe1.contoso.local:8080/x?y", message.FieldSetCookie: "a=b; Path=/; HttpOnly",
		message.FieldLink: "</a.css>; rel=preload; as=style"} {
		text := []byte(value)
		if n := testing.AllocsPerRun(100, func() { i.AppendField(room[:0], id, text, p) }); n != 0 {
			t.Errorf("%v: %v allocations", id, n)
		}
	}
}
