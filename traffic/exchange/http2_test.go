package exchange

import (
	"net"
	"testing"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/engine"
)

// agreed is the handler of a connection on which HTTP/2 has been agreed on.
type agreed struct{ http *HTTP }

func (a agreed) Serve(c engine.Conn) { a.http.ServeHTTP2(c, nil, nil, nil) }

// A reload may take HTTP/2 from a listener while a handshake is under way in which it was agreed on: the client is told that nothing was taken.
func TestHTTP2ThatIsGoneAfterTheHandshake(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		near, far := net.Pipe()
		defer far.Close()
		w.engine.ServeConn(near, w.engine.Loops()[0], agreed{w.http})
		f := http2.NewFramer(far, far)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if away, is := frame.(*http2.GoAwayFrame); is {
				if away.LastStreamID != 0 || away.ErrCode != http2.ErrCodeNo || string(away.DebugData()) != "not_spoken" {
					t.Errorf("%v %q", away, away.DebugData())
				}
				return
			}
		}
	})
}
