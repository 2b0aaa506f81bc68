package exchange

import (
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/message"
)

// This file is how long the two sides of an exchange may be silent. A message that has a known end is sent without long pauses: the client may pause for
// Route.Body, the server for Route.Response. A stream is different: both sides speak when there is something to say, which may take hours. Of a stream only the
// silence in both directions is bounded, by Route.Stream.

// beginStream notes whether the request says that the exchange is a stream.
func (x *Exchange) beginStream() { x.response.streams = x.isGRPC() || x.isChannel() }

// answerStreams notes whether the exchange is a stream as its answer begins, whose body has more to come: the request's body is still arriving, so that the two go
// on side by side, or the answer's type says so.
func (x *Exchange) answerStreams() {
	x.response.streams = x.response.streams || x.bodyIsArriving() || isStreamType(x.response.head.Get(message.FieldContentType))
	x.moves()
	x.watchServer()
}

// watchTime is how long an answer may take at most whose server need not be watched: its deadline finds out that the server has vanished.
const watchTime = time.Minute

// watchServer has the system find out that the server has vanished, where weir waits long for it.
func (x *Exchange) watchServer() {
	if x.attempt.conn != nil && x.answerPause() > watchTime {
		engine.WatchPeer(x.attempt.conn.Conn)
	}
}

// bodyIsArriving reports whether the client has not sent all of the request's body.
func (x *Exchange) bodyIsArriving() bool {
	return x.attempt.up.started && x.attempt.up.running && !x.attempt.up.arrived && !x.request.kept.isWhole()
}

// streamTypes are the media types of answers without an end: events, frames of a camera, records as they happen.
var streamTypes = []string{"text/event-stream", "multipart/x-mixed-replace", "application/x-ndjson", "application/json-seq", "application/stream+json", "application/grpc"}

// isStreamType reports whether a Content-Type is one of a stream. The parameter "stream" is how Kubernetes marks watches.
func isStreamType(kind []byte) bool {
	for _, name := range streamTypes {
		if len(kind) >= len(name) && message.EqualFold(kind[:len(name)], name) {
			return true
		}
	}
	for i := 0; i < len(kind); i++ {
		const watch = ";stream=watch"
		if kind[i] == ';' && len(kind)-i >= len(watch) && message.EqualFold(kind[i:i+len(watch)], watch) {
			return true
		}
	}
	return false
}

// isChannel reports whether the body is one of RPC over HTTP's channels, which are silent while there is nothing to say ([MS-RPCH] section 2.1.2.1.1).
func (x *Exchange) isChannel() bool {
	if x.request.head.Method != message.MethodOther {
		return false
	}
	switch string(x.request.head.MethodName.Of(x.request.head.Buf)) {
	case "RPC_IN_DATA":
		return x.request.body.framing == message.FramingLength && x.request.body.length > channelLeast
	case "RPC_OUT_DATA":
		return true
	}
	return false
}

// channelLeast is from which length on a body of RPC_IN_DATA is a channel: routes take no such length unless their body_limit says so.
const channelLeast = 64 << 20

// bodyPause is how long the client may be silent within a body that goes on as it comes.
func (x *Exchange) bodyPause() time.Duration {
	switch {
	case x.response.streams:
		return x.request.route.Stream
	case x.request.route != nil && x.request.route.Body > 0:
		return x.request.route.Body
	}
	return x.setup.Body
}

// answerPause is how long the server may be silent.
func (x *Exchange) answerPause() time.Duration {
	if x.response.streams {
		return x.request.route.Stream
	}
	return x.request.route.Response
}

// moves notes that something has moved in one of the two directions.
func (x *Exchange) moves() { x.timing.moved = x.at.loop.Now() }

// silenceLeft is how much longer one direction may be silent whose pause has ended: as long as the other one is not silent too.
func (x *Exchange) silenceLeft() time.Duration {
	if !x.response.streams {
		return 0
	}
	return x.request.route.Stream - time.Duration(x.at.loop.Now()-x.timing.moved)*time.Millisecond
}

// readBody reads content of a body that goes on as it comes.
func (x *Exchange) readBody(p []byte) (int, error) {
	x.client.stream.SetReadTimeout(x.bodyPause())
	for {
		n, err := x.client.stream.Read(p)
		if err == engine.ErrTimeout {
			if left := x.silenceLeft(); left > 0 {
				x.client.stream.SetReadTimeout(left)
				continue
			}
		}
		x.moves()
		return n, err
	}
}

// readMore reads content of an answer.
func (x *Exchange) readMore(p []byte) (int, error) {
	c := x.attempt.conn
	c.SetReadTimeout(x.answerPause())
	for {
		n, err := c.Stream.Read(p)
		if err == engine.ErrTimeout {
			if left := x.silenceLeft(); left > 0 {
				c.SetReadTimeout(left)
				continue
			}
		}
		x.moves()
		return n, err
	}
}
