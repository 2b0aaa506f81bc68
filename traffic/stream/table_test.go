package stream

import (
	"testing"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
)

// What was on its way when weir reset streams is ignored, and costs nothing, however many it reset together and whatever ended before and since. What it never
// reset is another matter.
func TestWhatComesForStreamsThatWereResetTogetherIsIgnored(t *testing.T) {
	for _, toServer := range []bool{false, true} {
		c := &Conn{loop: &engine.Loop{}, toServer: toServer}
		end := func(id uint32, ours bool) {
			s := c.find(id)
			s.wasReset = ours
			c.forget(s)
		}
		open := func(id uint32) {
			c.add(&Stream{conn: c, id: id})
			c.last = id
		}
		for id := uint32(1); id < 200; id += 2 {
			open(id)
			end(id, false)
		}
		const first, many = 201, 500
		for i := range uint32(many) {
			open(first + 2*i)
		}
		for i := range uint32(many) {
			end(first+2*i, true)
		}
		for range 3 { // for all of them more than the budget bears of anything that costs
			for i := range uint32(many) {
				for _, kind := range []http2.FrameType{http2.FrameHeaders, http2.FrameData} {
					if err := c.late(http2.Header{Type: kind, Stream: first + 2*i}); err != nil {
						t.Fatalf("to a server: %v; %v on stream %d: %v", toServer, kind, first+2*i, err)
					}
				}
			}
		}
		if err := c.late(http2.Header{Type: http2.FrameHeaders, Stream: 199}); err == nil {
			t.Errorf("to a server: %v; a stream goes on after its end", toServer)
		}
		if !toServer {
			if err := c.late(http2.Header{Type: http2.FrameHeaders, Stream: 77}); err == nil {
				t.Error("a client goes on with a stream of long ago")
			}
		}
	}
}

// late has frames come for a stream that weir has reset, until the connection ends; it reports how many were borne.
func late(t *testing.T, toServer bool, h http2.Header) (borne int) {
	t.Helper()
	c := &Conn{loop: &engine.Loop{}, toServer: toServer, last: 1}
	s := &Stream{conn: c, id: 1, recv: http2.NewWindow(windowStart), wasReset: true}
	c.add(s)
	c.forget(s)
	for h.Stream = 1; borne < 100_000; borne++ {
		if err := c.late(h); err != nil {
			if err.Code != http2.EnhanceYourCalm || err.Why != "budget_late" {
				t.Errorf("to a server: %v; %v: %v", toServer, h, err)
			}
			return borne
		}
	}
	return borne
}

// A peer may not go on for ever on a stream that weir has reset, but what was on its way when it learns of that is free: heads, and content within the window.
func TestAPeerMayNotGoOnAfterAReset(t *testing.T) {
	const most = 500 // that the budget bears
	for _, toServer := range []bool{false, true} {
		for name, c := range map[string]struct {
			header http2.Header
			free   int
		}{
			"heads":                  {http2.Header{Type: http2.FrameHeaders}, 3},
			"heads that each end":    {http2.Header{Type: http2.FrameHeaders, Flags: http2.FlagEndStream}, 1},
			"content":                {http2.Header{Type: http2.FrameData, Length: windowStart / 8}, 8},
			"ends":                   {http2.Header{Type: http2.FrameData, Flags: http2.FlagEndStream}, 1},
			"one byte after another": {http2.Header{Type: http2.FrameData, Length: 1}, windowStart},
		} {
			if n := late(t, toServer, c.header); n != c.free+most {
				t.Errorf("to a server: %v; %s: %d were borne, want %d", toServer, name, n, c.free+most)
			}
		}
	}
}

// A stream of long ago is not remembered: whatever was on its way has come.
func TestAServerMayNotGoOnWithAStreamOfLongAgo(t *testing.T) {
	c := &Conn{loop: &engine.Loop{}, toServer: true, last: 1001}
	n := 0
	for n < 100_000 && c.late(http2.Header{Type: http2.FrameHeaders, Stream: 1}) == nil {
		n++
	}
	if n != 500 {
		t.Errorf("%d heads were borne", n)
	}
}
