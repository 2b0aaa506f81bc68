package exchange

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// divided is a world whose requests go to server a in 80 of 100 cases and else to b.
func divided(t *testing.T, cookie string, key site.Key, f func(w *world)) {
	inWorld(t, servers(named("a"), named("b")), func(w *world) {
		s := &site.Split{Cookie: cookie, Key: key, Salt: 1}
		for i, until := range []uint32{800_000, site.Points} {
			arm, to := *w.route, *w.route.Destination
			to.Pool = pool.New(pool.Config{Name: fmt.Sprint(i), Loops: 1, Balance: pool.BalanceConfig{Policy: "first"},
				Servers: []pool.ServerConfig{{Address: fmt.Sprintf("10.0.0.%d:80", i+1)}}}, nil)
			arm.Destination = &to
			s.Arms = append(s.Arms, site.Arm{Until: until, Route: &arm})
		}
		w.route.Destination, w.route.Split = nil, s
		f(w)
	})
}

func TestSplitDividesByShares(t *testing.T) {
	divided(t, "", site.Key{}, func(w *world) {
		c := w.client()
		got := map[string]int{}
		for range 2000 {
			c.send(getting("/"))
			_, body, head := c.answer("GET")
			got[body]++
			if head.Get("Set-Cookie") != "" {
				t.Fatal("a cookie that nobody asked for")
			}
		}
		// 400 are expected of b, with a standard deviation of 18.
		if got["a"]+got["b"] != 2000 || got["b"] < 310 || got["b"] > 490 {
			t.Errorf("%v of 2,000 requests at 80%% and 20%%", got)
		}
		c.Close()
	})
}

func TestSplitKeepsAClientByItsCookie(t *testing.T) {
	divided(t, "part", site.Key{}, func(w *world) {
		c := w.client()
		got := map[string]int{}
		for range 100 {
			c.send(getting("/"))
			_, first, head := c.answer("GET")
			got[first]++
			set := head.Get("Set-Cookie")
			value, attributes, _ := strings.Cut(set, ";")
			if !strings.HasPrefix(value, "part=") || attributes != " Path=/; HttpOnly; SameSite=Lax" {
				t.Fatalf("a new client gets %q", set)
			}
			for range 3 {
				c.send("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; " + value + "\r\n\r\n")
				if _, body, head := c.answer("GET"); body != first || head.Get("Set-Cookie") != "" {
					t.Fatalf("a client of %s with %s comes to %s and gets %q", first, value, body, head.Get("Set-Cookie"))
				}
			}
		}
		if got["a"] == 0 || got["b"] == 0 {
			t.Errorf("new clients: %v", got)
		}
		for _, odd := range []string{"part=", "part=-1", "part=x", "part=99999999999999999999", "part=1000000x"} {
			c.send("GET / HTTP/1.1\r\nHost: a\r\nCookie: " + odd + "\r\n\r\n")
			if _, _, head := c.answer("GET"); head.Get("Set-Cookie") == "" {
				t.Errorf("%q is taken", odd)
			}
		}
		c.Close()
	})
}

func TestSplitByKey(t *testing.T) {
	divided(t, "", site.Key{Kind: site.KeyHeader, Name: "X-User"}, func(w *world) {
		c := w.client()
		ask := func(user string) string {
			c.send("GET / HTTP/1.1\r\nHost: a\r\nX-User: " + user + "\r\n\r\n")
			_, body, _ := c.answer("GET")
			return body
		}
		inB := map[string]bool{}
		for i := range 1000 {
			user := fmt.Sprint("user-", i)
			inB[user] = ask(user) == "b"
			if again := ask(user) == "b"; again != inB[user] {
				t.Fatalf("%s changes", user)
			}
		}
		n := 0
		for _, is := range inB {
			if is {
				n++
			}
		}
		if n < 140 || n > 260 {
			t.Errorf("%d of 1,000 users are in the 20%%", n)
		}
		// Who has it keeps it while the share grows.
		w.route.Split.Arms[0].Until = 500_000
		for user, was := range inB {
			if was && ask(user) != "b" {
				t.Fatalf("%s loses what it had as the share grows", user)
			}
		}
		c.Close()
	})
}
