package engine

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Dials that wait for their turn hold no place among the descriptors meanwhile: many at once take no more than one after the other would.
func TestABurstOfDialsStaysWithinItsDescriptors(t *testing.T) {
	e, err := New(Config{Loops: 2, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const dials = 10 * dialsMost
	server, err := net.Listen("tcp", "127.0.0.1:0") // it never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	to := Address{IP: netip.MustParseAddrPort(server.Addr().String())}
	e.connsMost, e.dialMost = 200, 240
	var done sync.WaitGroup
	var conns [2][]Conn
	for i, l := range e.loops {
		l.Post(func() {
			for n := range dials {
				done.Add(1)
				l.Go(runnerFunc(func() {
					defer done.Done()
					if c, err := l.Dial(to, DialOptions{Timeout: 300 * time.Millisecond, Heavy: n%2 == 0}); err == nil {
						conns[i] = append(conns[i], c)
					}
				}))
			}
		})
		l.Call(func() {})
	}
	done.Wait()
	most := e.connsMost*3/4 + 2 // two loops may each take the last one
	if open := e.Open(); open > most || open < e.connsMost*5/8 {
		t.Errorf("%d connections to servers are open, of at most %d", open, most)
	}
	for i, l := range e.loops {
		l.Call(func() {
			if len(l.dialers)+len(l.wanting[0])+len(l.wanting[1]) > 0 {
				t.Error("some still wait")
			}
			for _, c := range conns[i] {
				c.Close()
			}
		})
	}
}
