package stream

import (
	"testing"
	"testing/synctest"
	"time"
)

// A client's second upload on a connection begins with the window that its first one has needed; one of many gets its part of it, and none gets any where the loop is short of memory.
func TestLaterStreamsBeginWithTheWindowThatOneHasNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reading{got: map[uint32]string{}, end: map[uint32]error{}}
		p, a := meetFor(t, r)
		p.begin()
		p.post(1)
		pass(0)
		for range 200 { // 4 MB, as over a link of 40 ms
			for range 2 {
				p.WriteData(1, false, make([]byte, 10<<10))
			}
			pass(0)
			pass(time.Millisecond)
		}
		wide := a.conn.streams[0].window
		if wide <= windowStart || a.conn.learned != wide {
			t.Fatalf("the first stream's window is %d, learned %d", wide, a.conn.learned)
		}
		p.WriteData(1, true, nil)
		pass(0)
		p.post(3)
		pass(0)
		s := a.conn.streams[len(a.conn.streams)-1]
		if s.id != 3 || s.window != wide/len(a.conn.streams) || s.recv.Left() != s.window {
			t.Errorf("stream %d begins with %d (%d left) of %d, beside %d", s.id, s.window, s.recv.Left(), wide, len(a.conn.streams)-1)
		}
		a.conn.loop.Hold(1 << 62)
		p.post(5)
		pass(0)
		if s := a.conn.streams[len(a.conn.streams)-1]; s.id != 5 || s.window != windowStart {
			t.Errorf("stream %d begins with %d where there is no room", s.id, s.window)
		}
		a.conn.loop.Hold(-1 << 62)
	})
}
