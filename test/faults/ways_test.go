package faults

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// peerOrigin says which address a request came from.
func peerOrigin(t *testing.T, ip string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s for %s", host, r.Header.Get("X-Forwarded-For"))
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func TestClientsOfOneFamilyReachServersOfTheOther(t *testing.T) {
	four, six := peerOrigin(t, "127.0.0.1"), peerOrigin(t, "::1")
	front, err := net.Listen("tcp6", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	port := front.Addr().(*net.TCPAddr).Port
	front.Close()
	start(t, fmt.Sprintf(`
listeners:
  front: { address: ["FRONT", ":%d"] }
pools:
  four: { servers: ["%s"] }
  six: { servers: ["%s"] }
sites:
  "*": { /four: four, /six: six }
admin: "ADMIN"
logs: { access: off }
`, port, four, six))
	for _, client := range []string{"127.0.0.1", "::1"} {
		c := dial(t, net.JoinHostPort(client, fmt.Sprint(port)))
		for path, server := range map[string]string{"/four": "127.0.0.1", "/six": "::1"} {
			_, body, err := c.get(path)
			if want := server + " for " + client; err != nil || body != want {
				t.Errorf("%s asks %s: %q, %v; want %q", client, path, body, err, want)
			}
		}
	}
}

func TestConnectionsComeFromTheSourcesInTurn(t *testing.T) {
	s := start(t, `
listeners:
  front: "FRONT"
pools:
  web: { servers: ["`+peerOrigin(t, "127.0.0.1")+`"], source: [127.0.0.5, 127.0.0.6, 192.0.2.77], connections: { share: off } }
sites:
  "*": web
admin: "ADMIN"
logs: { access: off }
`)
	if !strings.Contains(s.log(), "192.0.2.77 is no address of this machine now") {
		t.Errorf("the log does not tell of the source that is not there:\n%s", s.log())
	}
	var from []string
	for range 8 {
		_, body, err := dial(t, s.address["FRONT"]).do("GET", "/", "")
		if err != nil {
			t.Fatal(err)
		}
		from = append(from, strings.Fields(body)[0])
	}
	slices.Sort(from)
	if used := slices.Compact(from); !slices.Equal(used, []string{"127.0.0.5", "127.0.0.6"}) {
		t.Errorf("connections came from %v", used)
	}
}

func TestWarmConnectionsAreThereBeforeTheFirstRequest(t *testing.T) {
	web := origin(t, "web")
	s := start(t, `
listeners:
  front: "FRONT"
pools:
  web: { servers: ["`+web+`"], connections: { warm: 6 } }
sites:
  "*": web
admin: "ADMIN"
logs: { access: off }
`)
	idle := func() int { return s.status().Pools[0].Servers[0].Connections.Idle }
	within(t, 3*time.Second, "six connections to wait", func() bool { return idle() == 6 })
	for range 4 {
		if err := dial(t, s.address["FRONT"]).ok("/"); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	if c := s.status().Pools[0].Servers[0].Connections; c.Opened != 6 || c.Reused != 4 || c.Idle != 6 {
		t.Errorf("after four requests: %+v, want the six connections of before", c)
	}
}

// peerOrigins are two servers of one host that say which host they are.
func peerOrigins(t *testing.T, ip string) (addresses [2]string) {
	t.Helper()
	for i := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Host", ip) })}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
		addresses[i] = l.Addr().String()
	}
	return addresses
}
