package exchange

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// named is a server that says its name, and sets a session of its own on /login.
func named(name string) func(net.Conn) {
	return plain(map[string]string{
		"/":      answering(name, ""),
		"/login": answering(name, "Set-Cookie: JSESSIONID="+name+"-1; Path=/\r\n"),
	})
}

func answering(body, fields string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", fields, len(body), body)
}

// persisting is a world of three servers in turn, with clients kept as config says.
func persisting(t *testing.T, c persistence.Config, key site.Key, f func(w *world)) {
	inWorld(t, servers(named("a"), named("b"), named("c")), func(w *world) {
		cfg := pool.Config{Name: "servers", Loops: 1, Balance: pool.BalanceConfig{Policy: "round_robin"}}
		for i := range 3 {
			cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: fmt.Sprintf("10.0.0.%d:80", i+1)})
		}
		w.route.Destination.Pool = pool.New(cfg, nil)
		c.Secret, c.Scope, c.Attributes = []byte("secret"), "servers", "; Path=/; HttpOnly"
		to, err := filter.ParseLocation("https://login.example/?from={path}")
		if err != nil {
			t.Fatal(err)
		}
		w.route.Persistence = &site.Persistence{Persistence: persistence.New(c), Key: key, LostTo: &site.Redirect{To: to, Status: 302}}
		f(w)
	})
}

func withCookie(path, value string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: a.example\r\nCookie: x=y; Weir=" + value + "; z\r\n\r\n"
}

// enter has a new client placed.
func enter(t *testing.T, c *client) (server, cookie string) {
	t.Helper()
	c.send(getting("/"))
	status, server, head := c.answer("GET")
	set := head.Values("Set-Cookie")
	if status != 200 || len(set) != 1 || !strings.HasPrefix(set[0], "Weir=") || !strings.HasSuffix(set[0], "; Path=/; HttpOnly") {
		t.Fatalf("a new client gets %d and the cookies %q", status, set)
	}
	cookie, _, _ = strings.Cut(strings.TrimPrefix(set[0], "Weir="), ";")
	return server, cookie
}

func TestCookieKeepsTheClientWithItsServer(t *testing.T) {
	persisting(t, persistence.Config{Cookie: "Weir"}, site.Key{}, func(w *world) {
		seen := map[string]string{}
		for range 6 {
			c := w.client()
			server, cookie := enter(t, c)
			if old := seen[server]; old != "" && old != cookie {
				t.Errorf("server %s is called %q and %q", server, old, cookie)
			}
			seen[server] = cookie
			for range 4 {
				c.send(withCookie("/", cookie))
				if set := c.want("the next request", 200, server).Values("Set-Cookie"); len(set) > 0 {
					t.Errorf("a client that has its cookie gets %q", set)
				}
			}
			c.Close()
		}
		if len(seen) != 3 {
			t.Errorf("new clients went to %v", seen)
		}
		if mine := w.route.Destination.Loops[0]; mine.Kept != 24 || mine.Placed != 6 || mine.Lost != 0 {
			t.Errorf("counted %+v", mine)
		}
	})
}

func TestForgedCookieIsNoServers(t *testing.T) {
	persisting(t, persistence.Config{Cookie: "Weir"}, site.Key{}, func(w *world) {
		c := w.client()
		for _, value := range []string{"10.0.0.2:80", "MTAuMC4wLjI6ODA", "", "b", strings.Repeat("A", 22), strings.Repeat("A", 4000)} {
			c.send(withCookie("/", value))
			if set := c.want("forged "+value, 200, "*").Values("Set-Cookie"); len(set) != 1 {
				t.Errorf("%q: the client gets the cookies %q", value, set)
			}
		}
		c.Close()
	})
}

func TestClientOfAServerThatIsGone(t *testing.T) {
	for _, lost := range []persistence.Lost{persistence.LostNext, persistence.LostClose, persistence.LostRedirect} {
		persisting(t, persistence.Config{Cookie: "Weir", Lost: lost}, site.Key{}, func(w *world) {
			c := w.client()
			server, cookie := enter(t, c)
			down := w.route.Destination.Pool.Set().Servers[server[0]-'a']
			down.SetHealth(pool.Down)
			c.send(withCookie("/", cookie))
			status, body, head := c.answer("GET")
			set := strings.Join(head.Values("Set-Cookie"), ", ")
			switch lost {
			case persistence.LostNext:
				if status != 200 || body == server || !strings.HasPrefix(set, "Weir=") || strings.Contains(set, cookie) {
					t.Errorf("next: %d %q %q", status, body, set)
				}
			case persistence.LostClose:
				if status != 503 || set != "Weir=; Path=/; HttpOnly; Max-Age=0" {
					t.Errorf("close: %d %v", status, head)
				}
				c.wantEnd("after 503")
			case persistence.LostRedirect:
				if status != 302 || head.Get("Location") != "https://login.example/?from=/" || set != "Weir=; Path=/; HttpOnly; Max-Age=0" {
					t.Errorf("redirect: %d %v", status, head)
				}
			}
			c.Close()
		})
	}
}

func TestServerThatRefusesIsReplacedAndTheCookieToo(t *testing.T) {
	persisting(t, persistence.Config{Cookie: "Weir"}, site.Key{}, func(w *world) {
		c := w.client()
		server, cookie := enter(t, c)
		c.Close()
		time.Sleep(time.Minute) // its connections are given up
		delete(w.servers, fmt.Sprintf("10.0.0.%d", server[0]-'a'+1))
		c = w.client()
		c.send(withCookie("/", cookie))
		status, body, head := c.answer("GET")
		if status != 200 || body == server || len(head.Values("Set-Cookie")) != 1 {
			t.Errorf("got %d %q %v", status, body, head)
		}
		c.Close()
	})
}

func TestTableKeepsTheClientWithItsServer(t *testing.T) {
	byUser := site.Key{Kind: site.KeyHeader, Name: "X-User"}
	asking := func(user string) string { return "GET / HTTP/1.1\r\nHost: a\r\nX-User: " + user + "\r\n\r\n" }
	table := persistence.NewTable(64, 60)
	persisting(t, persistence.Config{Table: table}, byUser, func(w *world) {
		c, at := w.client(), map[string]string{}
		for i := range 30 {
			user := fmt.Sprint("user", i%7)
			c.send(asking(user))
			_, server, head := c.answer("GET")
			if at[user] == "" {
				at[user] = server
			}
			if at[user] != server || len(head.Values("Set-Cookie")) > 0 {
				t.Errorf("%s was at %s and is at %s; %v", user, at[user], server, head)
			}
		}
		seen := map[string]bool{}
		for range 3 {
			c.send(getting("/"))
			_, server, _ := c.answer("GET")
			seen[server] = true
		}
		if len(seen) != 3 {
			t.Errorf("requests without the header stay with %v", seen)
		}
		c.Close()
		time.Sleep(2 * time.Minute)
		if n := table.Used(w.engine.Loops()[0].Now() + 120_000); n != 0 {
			t.Errorf("%d entries live after their time", n)
		}
	})
}

func TestSessionThatAServerBeginsStaysThere(t *testing.T) {
	bySession := site.Key{Kind: site.KeyCookie, Name: "JSESSIONID"}
	persisting(t, persistence.Config{Table: persistence.NewTable(64, 60)}, bySession, func(w *world) {
		c := w.client()
		for range 4 {
			c.send(getting("/login"))
			_, server, head := c.answer("GET")
			session, _, _ := strings.Cut(head.Get("Set-Cookie"), ";")
			for range 4 {
				c.send("GET / HTTP/1.1\r\nHost: a\r\nCookie: " + session + "\r\n\r\n")
				c.want("the session", 200, server)
			}
		}
		c.Close()
	})
}

func TestOtherProductsCookiesAreUnderstoodAndReplaced(t *testing.T) {
	accept := persistence.Accept{ARR: true, HAProxy: true, Values: map[string]string{"10.0.0.2:80": "s2"}}
	persisting(t, persistence.Config{Cookie: "Weir", Accept: accept}, site.Key{}, func(w *world) {
		c := w.client()
		for value, server := range map[string]string{
			"s2": "b", "s2|YbYzA|YbYzB": "b", "s2~the-applications-own": "b",
			// printf 10.0.0.3 | iconv -t utf-16le | sha256sum
			"53c10997e522bbdd8dc7c2e6021fb52049813878aa628a92d262fb68b780c371": "c",
			"53C10997E522BBDD8DC7C2E6021FB52049813878AA628A92D262FB68B780C371": "c",
		} {
			c.send(withCookie("/", value))
			_, body, head := c.answer("GET")
			if body != server || len(head.Values("Set-Cookie")) != 1 {
				t.Errorf("%s: got %q, %v; want %s and weir's own cookie", value, body, head, server)
			}
		}
		c.Close()
	})
}
