package exchange

import (
	"errors"
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// upload relays the rest of a request's body on a coroutine of its own while the exchange waits for the answer, which may come
// before the body has ended.
type upload struct {
	x        *Exchange
	conn     *transport.Conn
	started  bool
	running  bool
	waiting  bool // for the server's 100 (Continue)
	arrived  bool // the whole body has come from the client
	finished bool // the whole body was sent
	why      reason.Reason
	fault    *http1.Fault
	buf      []byte
	endedAt  int64 // ms: the last byte was sent
	done     engine.Signal
	goAhead  engine.Signal
	telling  bool // 100 (Continue) is being written to the client
	told     engine.Signal
}

// continueAfter is how long weir waits for a server that was asked for 100 (Continue) before it tells the client to go on itself.
const continueAfter = time.Second

func (u *upload) begin(c *transport.Conn, wait bool) {
	*u = upload{x: u.x, conn: c, started: true, running: true, waiting: wait}
	u.x.at.loop.Go(u)
}

// Run relays until the body ends, or one of the two sides fails.
func (u *upload) Run() {
	x := u.x
	l := x.at.loop
	if u.waiting {
		if !l.Wait(&u.goAhead, continueAfter) && !x.sentAny {
			u.tellToGoOn()
		}
		u.waiting = false
	}
	if k := x.kept; u.why == reason.Done && k != nil && k.behind() > 0 {
		u.why = u.sendKept(k)
	}
	if u.why == reason.Done && !x.kept.isWhole() {
		u.why = u.relay()
	}
	if x.tee != nil && u.why == reason.Done {
		x.endTee()
	}
	u.finished, u.endedAt = u.why == reason.Done, l.Now()
	if u.finished {
		x.asked()
	}
	l.Release(u.buf)
	u.buf = nil
	u.running = false
	l.Fire(&u.done)
	if u.finished && x.finished {
		x.judgeFinished()
	}
	if !u.finished && u.why != reason.SendCut {
		// The client's side failed: the exchange waits for an answer that must not be waited for.
		u.conn.Interrupt()
	}
}

var goOn = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// tellToGoOn sends 100 (Continue) in the server's place. An answer that comes meanwhile waits: two cannot write to a client.
func (u *upload) tellToGoOn() {
	x := u.x
	u.telling = true
	if !x.interimToClient(goOn) {
		u.why = reason.ClientCut
	}
	u.telling = false
	x.at.loop.Fire(&u.told)
}

// Panicked ends an upload that panicked.
func (u *upload) Panicked() {
	u.running, u.telling, u.why = false, false, reason.Panicked
	u.conn.Interrupt()
	if x := u.x; x != nil { // nil when the exchange has panicked too
		x.at.loop.Fire(&u.told)
		x.at.loop.Fire(&u.done)
	}
}

const chunkRoom = 16

// chunkHeadMost is the size of the longest chunk head: sixteen digits and a line end.
const chunkHeadMost = 18

func (u *upload) relay() reason.Reason {
	x := u.x
	left := int64(0)
	if x.body.framing == message.FramingLength {
		left = x.body.length - x.taken()
	}
	if left >= spliceFrom && x.tee == nil && engine.CanSplice(u.conn.Conn, x.client) {
		still, why := u.splice(left)
		if still == 0 || why != reason.Done {
			return why
		}
		left = still
	}
	u.buf = x.at.loop.Buffer(engine.Buffer16K)
	for {
		room := u.buf[chunkRoom : len(u.buf)-chunkRoom]
		if x.body.framing == message.FramingLength && int64(len(room)) > left {
			room = room[:left]
		}
		n, err := x.readBody(room)
		atEnd := err == io.EOF && x.body.framing == message.FramingUntilClose
		if err != nil && !atEnd {
			u.fault, _ = err.(*http1.Fault)
			return bodyFailure(err)
		}
		x.received += int64(n)
		out, ended := room[:n], false
		if x.body.framing == message.FramingLength {
			left -= int64(n)
			ended = left == 0
			if x.tee != nil {
				x.addToTee(out)
			}
		} else if x.body.framing == message.FramingUntilClose {
			out, ended = u.chunk(n, atEnd), atEnd
		} else if out, ended, err = u.rechunk(n); err != nil {
			u.fault = err.(*http1.Fault)
			return reason.ClientBodyMalformed
		}
		u.arrived = ended
		if limit := x.route.BodyLimit; limit > 0 && x.body.announced() > limit {
			u.fault = http1.FaultBodyTooLarge
			return reason.ClientBodyTooLarge
		}
		if ended && len(x.body.chunks.Trailers) > 0 && u.conn.Stream == nil {
			out = x.appendRequestEnd(out[:len(out):len(out)])
		}
		if len(out) > 0 {
			u.conn.SetWriteTimeout(x.answerPause())
			x.asked() // the answer may come before Write returns
			if _, err := u.conn.Write(out); err != nil {
				return reason.SendCut
			}
			x.load.BytesSent += uint64(len(out))
			x.asked()
		}
		u.conn.SetReadTimeout(x.answerPause()) // the answer's time counts from the last byte of the request
		if ended {
			return u.end()
		}
	}
}

// end ends the request where its end is not in its framing.
func (u *upload) end() reason.Reason {
	if s := u.conn.Stream; s != nil && s.WriteEnd(u.x.requestTrailers()) != nil {
		return reason.SendCut
	}
	return reason.Done
}

// chunk frames n bytes that were read from a client whose stream has no framing.
func (u *upload) chunk(n int, last bool) []byte {
	x := u.x
	x.body.chunks.Total += int64(n)
	if x.tee != nil {
		x.addToTee(u.buf[chunkRoom : chunkRoom+n])
	}
	if last {
		x.body.chunks.Trailers = x.stream.Trailers()
	}
	if u.conn.Stream != nil {
		return u.buf[chunkRoom : chunkRoom+n]
	}
	return frameChunk(u.buf, chunkRoom, n, last && len(x.body.chunks.Trailers) == 0)
}

// splice moves a body of known length in the kernel, as far as there is a pipe for it.
func (u *upload) splice(left int64) (still int64, why reason.Reason) {
	x := u.x
	pause := x.bodyPause()
	for left > 0 {
		x.client.SetReadTimeout(pause)
		u.conn.SetWriteTimeout(x.answerPause())
		n, err := engine.Splice(u.conn.Conn, x.client, min(left, splicePiece))
		left -= n
		x.received += n
		x.load.BytesSent += uint64(n)
		x.asked()
		u.conn.SetReadTimeout(x.answerPause())
		var write *engine.SpliceWriteError
		if err == engine.ErrTimeout {
			if pause = x.silenceLeft(); pause > 0 {
				continue
			}
		}
		x.moves()
		pause = x.bodyPause()
		switch {
		case err == nil:
		case err == engine.ErrNoSplice:
			return left, reason.Done
		case errors.As(err, &write):
			return left, reason.SendCut
		default:
			return left, bodyFailure(err)
		}
	}
	return 0, reason.Done
}

// rechunk decodes n bytes that were read and frames them anew; extensions stay behind.
func (u *upload) rechunk(n int) (out []byte, ended bool, err error) {
	x := u.x
	b := u.buf[chunkRoom:]
	x.body.chunks.Now = x.at.loop.Now()
	data, consumed, fault := x.body.chunks.Decode(b[:n])
	if fault != nil {
		return nil, false, fault
	}
	ended = x.body.chunks.IsDone()
	if consumed < n {
		// The next request has begun behind the body; it waits in the exchange's buffer.
		x.keepPipelined(b[consumed:n])
	}
	if x.tee != nil {
		x.addToTee(b[:data])
	}
	if u.conn.Stream != nil {
		return b[:data], ended, nil
	}
	return frameChunk(u.buf, chunkRoom, data, ended && len(x.body.chunks.Trailers) == 0), ended, nil
}

// frameChunk puts a chunk's head before, and its end behind, the data at buf[at:at+n]; there is room for both.
func frameChunk(buf []byte, at, n int, last bool) []byte {
	end := at + n
	if n > 0 {
		var head [chunkHeadMost]byte
		h := http1.AppendChunkHead(head[:0], n)
		at -= len(h)
		copy(buf[at:], h)
		end += copy(buf[end:], "\r\n")
	}
	if last {
		end += copy(buf[end:], http1.LastChunk)
	}
	return buf[at:end]
}

func bodyFailure(err error) reason.Reason {
	if _, isFault := err.(*http1.Fault); isFault {
		return reason.ClientBodyMalformed
	}
	switch err {
	case engine.ErrTimeout:
		return reason.ClientBodyTimeout
	case engine.ErrInterrupted:
		return reason.ClientCut
	}
	return reason.ClientBodyCut
}

// wait lets an upload end that goes on behind a complete answer: a server may answer first and read then. The exchange is a stream no more: a client that pauses
// loses its connection.
func (u *upload) wait() {
	x := u.x
	x.streams = false
	x.moves()
	for u.running {
		left := x.bodyPause() - time.Duration(x.at.loop.Now()-x.moved)*time.Millisecond
		if left <= 0 {
			x.keepAlive = false
			return
		}
		x.at.loop.Wait(&u.done, left)
	}
}

// answerTime is what is left of the time that the server has to answer, which begins when the upload ends.
func (u *upload) answerTime(d time.Duration) time.Duration {
	if u.running {
		return d
	}
	return d - time.Duration(u.x.at.loop.Now()-u.endedAt)*time.Millisecond
}

// stop ends an upload that still runs, as when the answer was complete before the body was.
func (u *upload) stop() {
	isKept := u.x.kept.isWhole()
	if u.running {
		if !isKept {
			u.x.client.Interrupt()
		}
		u.conn.Interrupt()
		u.x.at.loop.Fire(&u.goAhead)
		u.x.at.loop.Wait(&u.done, engine.DefaultTimeout)
		u.x.client.ClearInterrupt()
	}
	u.started = false
	u.x.body.relayed = u.finished || isKept
	if !u.finished {
		u.x.isClean = false
	}
	if !u.x.body.relayed {
		u.x.keepAlive, u.x.linger = false, true
	}
}
