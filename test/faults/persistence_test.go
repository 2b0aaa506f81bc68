package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// TestSessionsSurviveTheMoveFromHAProxy has a real HAProxy place clients, by each of its kinds of cookies, and then weir before the same servers.
func TestSessionsSurviveTheMoveFromHAProxy(t *testing.T) {
	a, b := origin(t, "a"), origin(t, "b")
	for kind, cookie := range map[string]string{
		"insert":  "cookie SRV insert indirect nocache",
		"dated":   "cookie SRV insert indirect nocache maxidle 30m maxlife 8h",
		"dynamic": "cookie SRV insert indirect nocache dynamic\n  dynamic-cookie-key a-secret",
	} {
		t.Run(kind, func(t *testing.T) {
			before := haproxy(t, cookie, a, b)
			s := start(t, fmt.Sprintf(`
listeners:
  front: "FRONT"
pools:
  web:
    servers: [{ address: "%s", cookie: s1 }, { address: "%s", cookie: s2 }]
    persistence: { cookie: SRV, accept: { haproxy: on, haproxy_key: a-secret } }
sites:
  "*": web
data: DIR/data
admin: "ADMIN"
logs: { access: off }
`, a, b))
			placed := map[string]bool{}
			for range 8 {
				server, set := ask(t, before, "")
				placed[server] = true
				moved, own := ask(t, s.address["FRONT"], set)
				if moved != server || own == "" || own == set {
					t.Errorf("%s was at %s and is at %s; the new cookie is %s", set, server, moved, own)
				}
				if again, more := ask(t, s.address["FRONT"], own); again != server || more != "" {
					t.Errorf("%s was at %s and is at %s; the new cookie is %q", own, server, again, more)
				}
			}
			if len(placed) != 2 {
				t.Errorf("HAProxy used %v", placed)
			}
		})
	}
}

// ask sends a request with a cookie and returns the server that answered and the cookie that it got.
func ask(t *testing.T, address, cookie string) (server, set string) {
	t.Helper()
	r, _ := http.NewRequest("GET", "http://"+address+"/", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := make([]byte, 1)
	response.Body.Read(body)
	set, _, _ = strings.Cut(response.Header.Get("Set-Cookie"), ";")
	return string(body), set
}

// haproxy is one before two servers.
func haproxy(t *testing.T, cookie, a, b string) (address string) {
	t.Helper()
	addresses, err := peers.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "haproxy.cfg")
	names := [2]string{"cookie s1", "cookie s2"}
	if strings.Contains(cookie, "dynamic") {
		names = [2]string{}
	}
	config := fmt.Sprintf(`
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
listen web
  bind %s
  balance roundrobin
  %s
  server one %s %s
  server two %s %s
`, addresses[0], cookie, a, names[0], b, names[1])
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := peers.Start("haproxy", dir, exec.Command("haproxy", "-f", file, "-db"), addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return addresses[0]
}

// TestClientsStayWithAHostAcrossPorts is the case of a server with two ports, 80 and 443 say: one table for both.
func TestClientsStayWithAHostAcrossPorts(t *testing.T) {
	one, two := peerOrigins(t, "127.0.0.21"), peerOrigins(t, "127.0.0.22")
	s := start(t, fmt.Sprintf(`
listeners:
  front: "FRONT"
pools:
  web: { servers: ["%s", "%s"], balance: round_robin, persistence: { on: "header:X-User", group: farm } }
  app: { servers: ["%s", "%s"], balance: round_robin, persistence: { on: "header:X-User", group: farm } }
sites:
  "*": { /app: app, /*: web }
admin: "ADMIN"
logs: { access: off }
`, one[0], two[0], one[1], two[1]))
	used := map[string]bool{}
	for user := range 6 {
		var hosts []string
		for _, path := range []string{"/", "/app", "/app", "/"} {
			if user%2 == 1 {
				path = map[string]string{"/": "/app", "/app": "/"}[path]
			}
			r, _ := http.NewRequest("GET", "http://"+s.address["FRONT"]+path, nil)
			r.Header.Set("X-User", fmt.Sprint(user))
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			hosts = append(hosts, response.Header.Get("X-Host"))
			response.Body.Close()
		}
		used[hosts[0]] = true
		for _, host := range hosts {
			if host != hosts[0] || host == "" {
				t.Errorf("user %d was served by %v", user, hosts)
				break
			}
		}
	}
	if len(used) != 2 {
		t.Errorf("the clients are all at %v", used)
	}
}

// A browser opens six connections at once. A client that is new is with one server from the first of them on, although none has answered yet.
func TestConnectionsThatComeAtOnceStayTogether(t *testing.T) {
	s := start(t, fmt.Sprintf(`
listeners: { front: "FRONT", tunnel: { address: "SECOND", protocol: tcp, pool: tunnel } }
pools:
  web: { servers: [%[1]q, %[2]q, %[3]q], balance: round_robin, persistence: { on: "header:X-User" } }
  tunnel: { servers: [%[1]q, %[2]q, %[3]q], balance: round_robin, persistence: { on: client_ip } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, origin(t, "a"), origin(t, "b"), origin(t, "c")))
	for user := range 20 {
		got := make(chan string, 12)
		for range 6 {
			go func() {
				c := dial(t, s.address["FRONT"])
				c.header = fmt.Sprintf("X-User: %d\r\n", user)
				_, body, err := c.do("GET", "/after/100ms", "")
				got <- fmt.Sprint(body, err)
			}()
		}
		first := <-got
		for range 5 {
			if next := <-got; next != first {
				t.Errorf("user %d is at %q and at %q", user, first, next)
			}
		}
	}
	for host := range 20 {
		own := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+host))}
		got := make(chan string, 6)
		for range 6 {
			go func() {
				c, err := (&net.Dialer{LocalAddr: own}).Dial("tcp", s.address["SECOND"])
				if err != nil {
					got <- err.Error()
					return
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				io.WriteString(c, "GET /after/100ms HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				answer, err := io.ReadAll(c)
				_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
				got <- fmt.Sprint(body, err)
			}()
		}
		first := <-got
		for range 5 {
			if next := <-got; next != first {
				t.Errorf("host %d is at %q and at %q", host, first, next)
			}
		}
	}
}
