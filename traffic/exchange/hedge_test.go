package exchange

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// pausing answers with its name after a time that may change, and counts its requests.
type pausing struct {
	name  string
	pause atomic.Int64
	asked atomic.Int64
	hints atomic.Bool // says its name in an early hint at once
}

func (p *pausing) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		p.asked.Add(1)
		if p.hints.Load() {
			fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: <%s>; rel=preload\r\n\r\n", p.name)
		}
		time.Sleep(time.Duration(p.pause.Load()))
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(p.name), p.name); err != nil {
			return
		}
	}
}

// hedged is a world in which the first server is always asked first, and 200 answers within 10 ms have been seen.
func hedged(t *testing.T, budget float64, f func(w *world, first, second *pausing)) {
	first, second := &pausing{name: "first"}, &pausing{name: "second"}
	inWorld(t, servers(first.serve, second.serve), func(w *world) {
		d := w.route.Destination
		d.Hedge = site.NewHedge(0.95, budget, 1)
		first.pause.Store(int64(10 * time.Millisecond))
		second.pause.Store(int64(10 * time.Millisecond))
		c := w.client()
		for range 200 {
			c.send(getting("/"))
			c.want("at first", 200, "first")
		}
		c.Close()
		if got := d.Hedge.Loops[0].Sent; got != 0 {
			t.Errorf("%d copies while all is well", got)
		}
		f(w, first, second)
	})
}

func TestSlowAnswerIsOvertakenByItsCopy(t *testing.T) {
	hedged(t, 0.5, func(w *world, first, second *pausing) {
		first.pause.Store(int64(5 * time.Second))
		c := w.client()
		for range 20 {
			began := time.Now()
			c.send(getting("/"))
			c.want("the copy's answer", 200, "second")
			if took := time.Since(began); took > 40*time.Millisecond {
				t.Fatalf("took %v", took)
			}
		}
		if l := &w.route.Destination.Hedge.Loops[0]; l.Sent != 20 || l.Won != 20 {
			t.Errorf("%d copies, %d won", l.Sent, l.Won)
		}
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		c.want("what changes something", 200, "first")
		c.Close()
		w.pass(10 * time.Second)
		for i, s := range w.route.Destination.Pool.Set().Servers {
			if n := s.Load(0).InFlight; n != 0 {
				t.Errorf("server %d has %d under way", i, n)
			}
		}
		if w.driver.loops[0].Stats.Requests != 221 {
			t.Errorf("%d requests", w.driver.loops[0].Stats.Requests)
		}
	})
}

// A server that has hinted may be overtaken by a copy, whose hints the client does not get then. Where the first has not, it gets those of the copy.
func TestHintsAreThoseOfTheRequestOrOfItsCopy(t *testing.T) {
	for want, firstHints := range map[string]bool{"103 <first>; rel=preload, 200 second": true, "103 <second>; rel=preload, 200 second": false} {
		hedged(t, 0.5, func(w *world, first, second *pausing) {
			first.pause.Store(int64(5 * time.Second))
			first.hints.Store(firstHints)
			second.hints.Store(true)
			c := w.client()
			c.send(getting("/"))
			if got := c.answers(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			c.Close()
		})
	}
}

func TestCopyThatIsOvertakenDisturbsNobody(t *testing.T) {
	hedged(t, 0.5, func(w *world, first, second *pausing) {
		first.pause.Store(int64(30 * time.Millisecond))
		second.pause.Store(int64(500 * time.Millisecond))
		c := w.client()
		for range 10 {
			c.send(getting("/"))
			c.want("the first's answer", 200, "first")
		}
		w.pass(time.Second)
		if l := &w.route.Destination.Hedge.Loops[0]; l.Sent == 0 || l.Won != 0 {
			t.Errorf("%d copies, %d won", l.Sent, l.Won)
		}
		c.Close()
		for i, s := range w.route.Destination.Pool.Set().Servers {
			if n := s.Load(0).InFlight; n != 0 {
				t.Errorf("server %d has %d under way", i, n)
			}
		}
	})
}

func TestCopiesAreWithinTheirBudget(t *testing.T) {
	hedged(t, 0.05, func(w *world, first, second *pausing) {
		first.pause.Store(int64(50 * time.Millisecond))
		c := w.client()
		for range 400 {
			c.send(getting("/"))
			c.want("either", 200, "*")
		}
		c.Close()
		// 30 are 5 % of the 600 requests so far. With all answers slow, slow is the usual, and nothing is sent twice any more.
		if l := &w.route.Destination.Hedge.Loops[0]; l.Sent == 0 || l.Sent > 31 {
			t.Errorf("%d copies of 400 requests", l.Sent)
		}
	})
}

func TestBothServersFail(t *testing.T) {
	hedged(t, 0.5, func(w *world, first, second *pausing) {
		first.pause.Store(int64(100 * time.Second))
		second.pause.Store(int64(100 * time.Second))
		w.route.Retries, w.route.Response = 0, 2*time.Second
		c := w.client()
		c.send(getting("/"))
		c.want("nobody", 504, "*")
		c.Close()
		w.pass(10 * time.Second)
		for i, s := range w.route.Destination.Pool.Set().Servers {
			if n := s.Load(0).InFlight; n != 0 {
				t.Errorf("server %d has %d under way", i, n)
			}
		}
	})
}

// The server of a copy that fails is blamed as that of any other request is, and none is for a client that has left.
func TestTheServerOfAFailedCopyIsBlamedLikeAnyOther(t *testing.T) {
	for name, one := range map[string]struct {
		answer string // of the second server, before it closes its connection; "": none
		leaves bool   // the client does, while both servers are waited for
		want   map[pool.Outcome]uint64
	}{
		"closes":                  {want: map[pool.Outcome]uint64{pool.Reset: 1}},
		"answers nonsense":        {answer: "HTTP/1.1 2x0 OK\r\n\r\n", want: map[pool.Outcome]uint64{pool.BadResponse: 1}},
		"the client leaves first": {leaves: true},
	} {
		t.Run(name, func(t *testing.T) {
			first := &pausing{name: "first"}
			second := func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				if one.leaves {
					time.Sleep(time.Second)
				}
				io.WriteString(c, one.answer)
			}
			inWorld(t, servers(first.serve, second), func(w *world) {
				d := w.route.Destination
				d.Hedge = site.NewHedge(0.95, 0.5, 1)
				c := w.client()
				for range 200 {
					c.send(getting("/"))
					c.want("at first", 200, "first")
				}
				first.pause.Store(int64(300 * time.Millisecond))
				c.send(getting("/"))
				if one.leaves {
					w.pass(100 * time.Millisecond)
					c.Close()
				} else {
					c.want("the first server's answer", 200, "first")
					c.Close()
				}
				w.pass(10 * time.Second)
				if d.Hedge.Loops[0].Sent != 1 {
					t.Errorf("%d copies were sent", d.Hedge.Loops[0].Sent)
				}
				got := map[pool.Outcome]uint64{}
				for _, s := range d.Pool.Set().Servers {
					for o, n := range s.Load(0).Outcomes {
						if pool.Outcome(o).IsFailure() && n > 0 {
							got[pool.Outcome(o)] += n
						}
					}
				}
				if !maps.Equal(got, one.want) {
					t.Errorf("servers are blamed %v, want %v", got, one.want)
				}
			})
		})
	}
}

func TestLongAnswersOfCopiesArriveWhole(t *testing.T) {
	body := strings.Repeat("0123456789", 30_000)
	first := &pausing{name: "first"}
	inWorld(t, servers(first.serve, plain(map[string]string{"/": "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body})), func(w *world) {
		w.route.Destination.Hedge = site.NewHedge(0.95, 0.5, 1)
		c := w.client()
		for range 200 {
			c.send(getting("/"))
			c.want("at first", 200, "first")
		}
		first.pause.Store(int64(5 * time.Second))
		for range 3 {
			c.send(getting("/"))
			c.want("the copy's answer", 200, body)
		}
		c.Close()
	})
}

func TestQuantilesOfAnswers(t *testing.T) {
	h := site.NewHedge(0.9, 0.05, 1)
	for i := range int64(99) {
		h.Loops[0].Note(1000 * (i + 1))
	}
	if h.After(0) != 0 {
		t.Error("99 answers are enough")
	}
	h.Loops[0].Note(100_000)
	if got := h.After(0); got < 90_000 || got > 115_000 {
		t.Errorf("p90 of 1 to 100 ms is %d µs", got)
	}
}
