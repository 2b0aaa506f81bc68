package exchange

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// after answers each request after a time, and its body's second half after as long again.
func after(wait time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			time.Sleep(wait)
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"); err != nil {
				return
			}
			time.Sleep(wait)
			if _, err := io.WriteString(c, "later"); err != nil {
				return
			}
		}
	}
}

func TestARouteMayGiveItsServersHours(t *testing.T) {
	inWorld(t, servers(after(4*time.Hour+59*time.Minute)), func(w *world) {
		w.route.Response = 5 * time.Hour
		c := w.client()
		begun := time.Now()
		c.send(getting("/slow"))
		c.want("within five hours, twice", 200, "firstlater")
		if took := time.Since(begun); took < 9*time.Hour {
			t.Errorf("took %v", took)
		}
	})
	inWorld(t, servers(after(5*time.Hour+time.Minute)), func(w *world) {
		w.route.Response = 5 * time.Hour
		c := w.client()
		begun := time.Now()
		c.send(getting("/slow"))
		c.want("after five hours", 504, "*")
		if took := time.Since(begun); took < 5*time.Hour || took > 5*time.Hour+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestARoutesTimeToConnectIsItsOwn(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		for _, c := range []struct{ route, pool, want time.Duration }{
			{0, 0, 3 * time.Second}, {0, 2 * time.Second, 2 * time.Second}, {9 * time.Second, 2 * time.Second, 9 * time.Second},
		} {
			w.pass(0)
			w.route.Connect, w.route.Destination.Transport.Connect = c.route, c.pool
			w.route.Destination.Transport.MaxIdle = -1
			client := w.client()
			client.send(getting("/a"))
			client.want("an answer", 200, "GET /a")
			client.Close()
			if w.within != c.want {
				t.Errorf("route %v, pool %v: %v to connect, want %v", c.route, c.pool, w.within, c.want)
			}
		}
	})
}

func TestSilentServerIsPassedOverByRequestsThatOnlyRead(t *testing.T) {
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	inWorld(t, servers(silent, plain(nil)), func(w *world) {
		c := w.client()
		began := time.Now()
		c.send(getting("/"))
		c.want("the second server", 200, "GET /")
		if took := time.Since(began); took < 59*time.Second || took > 62*time.Second {
			t.Errorf("took %v, want 60 s", took)
		}
		c.Close()
	})
}

func TestSilentServerIsAnsweredWith504WhereTheRequestMayRun(t *testing.T) {
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	inWorld(t, servers(silent, plain(nil)), func(w *world) {
		c := w.client()
		began := time.Now()
		c.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
		c.want("a silent server", 504, "*")
		if took := time.Since(began); took < 59*time.Second || took > 62*time.Second {
			t.Errorf("took %v, want 60 s", took)
		}
		if len(w.dials) != 1 {
			t.Errorf("asked %v: a request that may be running is not sent again", w.dials)
		}
		c.Close()
	})
}
