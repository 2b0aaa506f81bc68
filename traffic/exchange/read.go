package exchange

import (
	"errors"
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// read reads the request's head and, of a chunked body, as much as shows that it is well begun.
func (x *Exchange) read() Stage {
	if x.session.stream != nil {
		return x.readStream()
	}
	if x.request.in == nil {
		x.request.in = x.at.loop.Buffer(max(x.session.hint, engine.Buffer4K))
		x.request.inLen = 0
	}
	parsed := 0 // bytes that were there at the last try
	if x.request.inLen > 0 {
		x.startClock()
		if next := x.parse(&parsed); next != Read {
			return next
		}
	}
	for {
		if x.request.inLen == len(x.request.in) && !x.grow() {
			return x.refuse(http1.FaultHeadSize, reason.ClientMalformed)
		}
		n, err := x.client.conn.Read(x.request.in[x.request.inLen:])
		if err != nil {
			return x.readFailed(err)
		}
		if x.request.inLen == 0 {
			x.startClock()
		}
		x.request.inLen += n
		x.received += int64(n)
		if !worthParsing(x.request.in[:x.request.inLen], n, parsed) {
			continue
		}
		if next := x.parse(&parsed); next != Read {
			return next
		}
	}
}

// startClock begins the exchange: its first byte is here, and the head must be complete within the header timeout.
func (x *Exchange) startClock() {
	x.stamp(Read)
	x.client.conn.SetReadTimeout(x.setup.Header)
}

// worthParsing bounds what a head that comes in drops costs: it is parsed when it may be complete and when it has doubled.
func worthParsing(b []byte, added, parsed int) bool {
	if len(b) >= 2*parsed {
		return true
	}
	tail := b[max(0, len(b)-added-3):]
	for i := 0; i+2 < len(tail); i++ {
		if tail[i] == '\n' && tail[i+1] == '\r' && tail[i+2] == '\n' {
			return true
		}
	}
	return false
}

// parse tries to parse the head; Read means that more is needed.
func (x *Exchange) parse(parsed *int) Stage {
	n, fault := http1.ParseRequest(x.request.in[:x.request.inLen], &x.request.head, &x.setup.Limits)
	if fault != nil {
		if fault == http1.FaultVersion && x.startsHTTP2() {
			x.client.other = true
			x.stage = Done
			return Done
		}
		return x.refuse(fault, reason.ClientMalformed)
	}
	if n == 0 {
		*parsed = x.request.inLen
		return Read
	}
	x.request.headLen = n
	x.client.keepAlive = x.request.head.KeepAlive
	x.request.body.start(&x.request.head)
	x.client.lone.Begin(&x.request.head)
	if x.request.head.Framing != message.FramingNone {
		return x.firstContent()
	}
	return Match
}

// firstContent takes the content that came with the head and, where it is chunked, reads on until the first chunk's head has been found good: a fault in
// it is the client's and must not look like a server's (Go's proxy answers 502 there, after the head has gone out).
func (x *Exchange) firstContent() Stage {
	b := &x.request.body
	for {
		at := x.request.headLen + b.have
		data, used, fault := x.client.lone.Unframe(x.request.in[at:x.request.inLen])
		if fault != nil {
			return x.refuse(fault, reason.ClientBodyMalformed)
		}
		b.have += data
		b.got += int64(data)
		// What follows the content is the next request; it moves up behind the data.
		x.request.inLen = at + data + copy(x.request.in[at+data:], x.request.in[at+used:x.request.inLen])
		if x.client.lone.Ended() {
			b.whole, b.trailers = true, x.client.lone.Trailers()
			return Match
		}
		if x.client.lone.IsWellBegun() || x.request.head.Expect && used == 0 {
			return Match
		}
		if x.request.inLen == len(x.request.in) && !x.grow() {
			return x.refuse(http1.FaultHeadSize, reason.ClientMalformed)
		}
		n, err := x.client.conn.Read(x.request.in[x.request.inLen:])
		if err != nil {
			return x.readFailed(err)
		}
		x.request.inLen += n
		x.received += int64(n)
	}
}

// grow moves the request into a buffer of the next class; false at the limit of a head. Spans stay valid: they are offsets.
func (x *Exchange) grow() bool {
	size := len(x.request.in) * 4
	if len(x.request.in) >= x.setup.Limits.HeadMost() {
		return false
	}
	b := x.at.loop.Buffer(size)
	copy(b, x.request.in[:x.request.inLen])
	x.at.loop.Release(x.request.in)
	x.request.in = b
	x.request.head.Buf = b
	return true
}

// readFailed ends an exchange whose request did not come whole.
func (x *Exchange) readFailed(err error) Stage {
	if x.request.inLen == 0 {
		// A connection that ends between requests is no exchange: nothing is counted or logged. One that was interrupted to be passed on
		// comes to rest.
		x.client.keepAlive = errors.Is(err, engine.ErrInterrupted) && x.at.passOn != nil && x.session.evicted == 0
		x.stage = Done
		return Done
	}
	if errors.Is(err, engine.ErrTimeout) {
		x.reason = reason.ClientHeadTimeout
		x.response.local = localAnswer{status: 408}
		x.client.keepAlive, x.client.linger = false, true
		return Answer
	}
	if errors.Is(err, io.EOF) {
		// The client may have only finished sending: it is told what is wrong.
		return x.refuse(http1.FaultRequestLine, reason.ClientGone)
	}
	return x.abandon(reason.ClientGone)
}

// requestBody is what is known of the request's body.
type requestBody struct {
	framing  message.Framing // FramingLength where its length is known, another one than FramingNone where it is not
	length   int64           // FramingLength: all bytes
	have     int             // bytes of it in the buffer behind the head
	whole    bool            // it ends with these
	got      int64           // bytes that have come
	trailers []byte          // lines that followed it
	began    int64           // ms: when weir began to take it for itself
	relayed  bool            // an upload has taken all of it from the client
}

func (b *requestBody) start(r *message.Request) {
	*b = requestBody{framing: r.Framing, length: r.Length, whole: r.Framing == message.FramingNone}
}

// isOpen reports whether the length of the body is not known before its end.
func (b *requestBody) isOpen() bool {
	return b.framing == message.FramingChunked || b.framing == message.FramingUntilClose
}

// announced is how large the request's body is at least, as far as is known.
func (x *Exchange) announced() int64 {
	switch b := &x.request.body; b.framing {
	case message.FramingNone:
		return 0
	case message.FramingLength:
		return b.length
	default:
		return max(b.got, x.client.stream.Announced())
	}
}

// inBuffer returns the body bytes that are in the buffer and whether the body ends with them.
func (x *Exchange) inBuffer() (data []byte, whole bool) {
	if k := x.request.kept; k != nil {
		return k.buf[:k.n], k.whole && k.behind() == 0
	}
	return x.request.in[x.request.headLen : x.request.headLen+x.request.body.have], x.request.body.whole
}

// took notes n more bytes of the body, and that it has ended.
func (x *Exchange) took(n int, ended bool) {
	x.request.body.got += int64(n)
	if ended {
		x.request.body.trailers = x.client.stream.Trailers()
	}
}

// keepRate is the least a client must send, in bytes per second after keepGrace, of a body that weir takes for itself: before it asks a server, or to be rid of it.
const (
	keepRate  = 500
	keepGrace = 10 * time.Second
)

// keepTimeout is how long the next bytes of such a body may take: the pause allowed, and no longer than the least rate leaves.
func (x *Exchange) keepTimeout(got int64) time.Duration {
	if x.request.body.began == 0 {
		x.request.body.began = x.at.loop.Now()
	}
	return x.rateTimeout(x.request.body.began, got)
}

// rateTimeout is how long the next bytes may take of content that weir reads for itself, of which got have come since began.
func (x *Exchange) rateTimeout(began, got int64) time.Duration {
	left := keepGrace + time.Duration(got/keepRate)*time.Second - time.Duration(x.at.loop.Now()-began)*time.Millisecond
	return max(0, min(x.bodyPause(), left))
}
