package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/http1"
)

// telling answers after a time with what it was told of the time that is left.
func telling(takes time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			time.Sleep(takes)
			left := fmt.Sprint(req.Header.Values(timeLeftField))
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(left), left)
		}
	}
}

func TestDeadlineEndsARequestWithAllItsTries(t *testing.T) {
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	inWorld(t, servers(silent, silent, silent), func(w *world) {
		w.route.Request, w.route.Response = 5*time.Second, 2*time.Second
		c := w.client()
		began := time.Now()
		c.send(getting("/"))
		c.want("silent servers", 504, "*")
		if took := time.Since(began); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("took %v, want 5 s", took)
		}
		if len(w.dials) != 3 {
			t.Errorf("asked %v", w.dials)
		}
		c.Close()
	})
}

// A server that knows the deadline may end its connection at it, a moment before weir's clock has come there: that is no fault of the server's.
func TestAServerThatGivesUpAtTheDeadlineIsLate(t *testing.T) {
	endsAfter := func(d time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			time.Sleep(d)
			c.Close()
		}
	}
	for _, k := range []struct {
		ends   time.Duration
		status int
	}{{5*time.Second - time.Millisecond, 504}, {4 * time.Second, 502}} {
		inWorld(t, servers(endsAfter(k.ends)), func(w *world) {
			w.route.Request, w.route.Response = 5*time.Second, 10*time.Second
			c := w.client()
			c.send(getting("/"))
			c.want(fmt.Sprint("a server that ends after ", k.ends), k.status, "*")
			c.Close()
		})
	}
}

func TestServersAreToldWhatIsLeft(t *testing.T) {
	inWorld(t, servers(telling(time.Second)), func(w *world) {
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n" + timeLeftField + ": 77\r\n\r\n")
		c.want("a route without a deadline", 200, "[77]")
		w.route.Request = 5 * time.Second
		w.route.RequestHeaders = filter.NewHeaderEdit()
		w.route.RequestHeaders.Remove(timeLeftField)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n" + timeLeftField + ": 77\r\n\r\n")
		_, body, _ := c.answer("GET")
		if ms, err := strconv.Atoi(body[1 : len(body)-1]); err != nil || ms < 4990 || ms > 5000 {
			t.Errorf("told %s, want 5000", body)
		}
		c.Close()
	})
}

func TestDeadlineOfATrustedProxyShortensTheRoutes(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		w.route.Request = 5 * time.Second
		for said, want := range map[string]int64{"1000": 1000, "60000": 5000, "-1": 5000, "x": 5000, "": 5000, "99999999999999999999": 5000} {
			for _, trusted := range []bool{true, false} {
				x := newExchange(w.driver, w.driver.loops[0])
				x.request.route, x.client.told.IsTrusted = w.route, trusted
				x.stamp(Read)
				if n, fault := http1.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n"+timeLeftField+": "+said+"\r\n\r\n"), &x.request.head, &http1.Limits{}); n == 0 || fault != nil {
					t.Fatal(fault)
				}
				x.startDeadline()
				if !trusted {
					want = 5000
				}
				if got := x.timing.by - x.at.loop.Now(); got != want {
					t.Errorf("%q, trusted %v: %d ms, want %d", said, trusted, got, want)
				}
			}
		}
	})
}
