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
		for range 5 { // for each of them more than the budget bears of anything that costs
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
