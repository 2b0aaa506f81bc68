package stream

import (
	"testing"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
)

// A server answers what weir has reset meanwhile, and others' exchanges on the connection go on, however many it were. A client has no such excuse.
func TestAnswersToManyResetStreamsEndNoConnection(t *testing.T) {
	server := &Conn{loop: &engine.Loop{}, toServer: true, last: 801}
	for id := uint32(1); id < 801; id += 2 {
		server.noteAs(id, true)
	}
	for id := uint32(1); id < 801; id += 2 {
		for _, kind := range []http2.FrameType{http2.FrameHeaders, http2.FrameData} {
			if err := server.late(http2.Header{Type: kind, Stream: id}); err != nil {
				t.Fatalf("%v on stream %d: %v", kind, id, err)
			}
		}
	}
	client := &Conn{loop: &engine.Loop{}, last: 801}
	if err := client.late(http2.Header{Type: http2.FrameHeaders, Stream: 1}); err == nil {
		t.Error("a client may open a stream out of order")
	}
}
