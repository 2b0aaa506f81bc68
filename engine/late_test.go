package engine

import (
	"io"
	"testing"
	"time"
)

// A loop that is late, not its peer, finds what came meanwhile: whether somebody reads, looks, or has given the connection back.
func TestWhatCameWhileTheLoopWasLateCounts(t *testing.T) {
	for name, wait := range map[string]func(c Conn, got chan<- error){
		"read": func(c Conn, got chan<- error) {
			_, err := c.Read(make([]byte, 10))
			got <- err
		},
		"peek": func(c Conn, got chan<- error) {
			_, err := Peek(c, make([]byte, 10), 0)
			got <- err
		},
		"await": func(c Conn, got chan<- error) {
			c.Await(handlerFunc(func(c Conn) {
				_, err := c.Read(make([]byte, 10))
				got <- err
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, e *Engine) {
				conns, got := make(chan Conn, 1), make(chan error, 1)
				peer := dial(t, listen(t, e, handlerFunc(func(c Conn) {
					c.SetReadTimeout(200 * time.Millisecond)
					conns <- c
					wait(c, got)
				})))
				c := <-conns
				time.Sleep(20 * time.Millisecond)
				c.Loop().Call(func() { beLate(c, peer) })
				if err := <-got; err != nil {
					t.Errorf("what came before the loop looked: %v", err)
				}
				c.Loop().Call(func() { c.Close() })
			})
		})
	}
}

// beLate has the loop sleep past the deadline, with bytes that come meanwhile, and run its timers before it takes events.
func beLate(c Conn, peer io.Writer) {
	time.Sleep(300 * time.Millisecond)
	io.WriteString(peer, "hello")
	time.Sleep(20 * time.Millisecond)
	if l := c.Loop(); l.portable == nil {
		l.readClock()
		l.wheel.advance(l.now)
	}
}
