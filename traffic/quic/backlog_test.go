package quic

import (
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
)

// A client whose windows are wide and that takes nothing has quic-go hold little more than backlogMost of all its answers together.
func TestWhatIsHandedOverUnsentIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		l, h := e.Loops()[0], &holder{}
		c, p, end := meet(t, l, identity(t), false, h)
		const streams, size = 60, 12 << 10
		for range streams {
			p.another(func(s *quicgo.Stream) { s.Write(post) })
		}
		synctest.Wait()
		if len(h.opened) != streams {
			t.Fatalf("%d streams", len(h.opened))
		}
		p.socket.cut()
		var busy [3]bool
		for _, s := range h.opened {
			l.Call(func() {
				l.Go(&doing{step{does: func(s *Stream) {
					s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"))
					s.Write(make([]byte, size))
				}}, s, &busy})
			})
			synctest.Wait()
		}
		l.Call(func() {
			handed, waiting := 0, 0
			for _, s := range h.opened {
				handed += s.sent
				if s.flying {
					waiting++
				}
			}
			sent := int(c.raw.ConnectionStats().BytesSent)
			if handed-sent > backlogMost+atOnceMost || handed < backlogMost/2 || waiting == 0 {
				t.Errorf("of %d bytes, %d were handed over, of which %d were sent, and %d streams wait; expected %d unsent ones at most", streams*size, handed, sent, waiting, backlogMost+atOnceMost)
			}
			for _, s := range h.opened {
				s.Done(http2.InternalError)
			}
			c.Cut()
		})
		time.Sleep(time.Minute)
		end()
		synctest.Wait()
		e.Close()
	})
}
