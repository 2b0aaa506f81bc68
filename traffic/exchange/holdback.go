package exchange

import (
	"bytes"
	"errors"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/wire/message"
)

// held is what is kept of an answer's body before the client gets any of it: pieces with room around them.
type held struct {
	pieces []message.Piece
	size   int64
}

// pieceLeast is the least room that another piece is read into.
const pieceLeast = 4 << 10

// room is where the next piece goes: what is free of the last buffer, or a new one.
func (h *held) room(l *engine.Loop, most int64) *message.Piece {
	if n := len(h.pieces); n > 0 && len(h.pieces[n-1].Buf)-h.pieces[n-1].End-message.FrameRoom >= pieceLeast {
		return &h.pieces[n-1]
	}
	b := l.Buffer(int(min(max(most-h.size, pieceLeast)+2*message.FrameRoom, engine.Buffer64K)))
	h.pieces = append(h.pieces, message.Piece{Buf: b, From: message.FrameRoom, End: message.FrameRoom})
	return &h.pieces[len(h.pieces)-1]
}

// bytes is how much memory it takes.
func (h *held) bytes() (n int) {
	for i := range h.pieces {
		n += len(h.pieces[i].Buf)
	}
	return n
}

func (h *held) release(l *engine.Loop) {
	for i := range h.pieces {
		l.Release(h.pieces[i].Buf)
	}
	h.pieces = nil
}

// mayHold reports whether the answer is held back. Streams are not, whatever the route says: what they bring is wanted at once. Nothing is while the loop holds much for its peers.
func (x *Exchange) mayHold() bool {
	return !x.at.loop.IsCrowded() && x.request.route.Buffer.Response > 0 && !x.response.body.ended && !x.response.streams && !message.EqualFold(x.response.head.Lookup("X-Accel-Buffering"), "no")
}

// holdBack takes the answer's body up to the route's threshold before the client gets any of it. An answer that ends before leaves the server free,
// however slow the client is, and one that breaks is asked for again.
func (x *Exchange) holdBack() Stage {
	h := &held{}
	l := x.at.loop
	x.response.holding = h
	defer func() {
		h.release(l)
		x.response.holding = nil
	}()
	for most := x.request.route.Buffer.Response; !x.response.body.ended && h.size < most && !(h.size > 0 && l.IsCrowded()); {
		to := h.room(l, most)
		p, err := x.piece(to.Buf[to.End-message.FrameRoom:])
		if err != nil {
			return x.heldFailed(err)
		}
		to.End += p.End - p.From
		h.size += int64(p.End - p.From)
	}
	if x.response.body.ended {
		x.freeServer()
	} else if x.request.route.Buffer.Spill > 0 && !l.IsCrowded() {
		if file := x.spillFile(); file != nil {
			return x.deliverSpilled(file, h)
		}
	}
	isWhole := x.response.body.ended
	if !x.toClientHeld(h, isWhole) {
		return x.clientFailed()
	}
	if isWhole {
		return x.delivered()
	}
	return x.deliverRest()
}

// toClientHeld gives the client the head and what is held, and the buffers back to the loop; isWhole says that the answer ends with it.
func (x *Exchange) toClientHeld(h *held, isWhole bool) bool {
	defer h.release(x.at.loop)
	x.response.reply.Ended = isWhole && len(h.pieces) == 0
	if !x.sendPiece(x.response.reply) {
		return false
	}
	for i := range h.pieces {
		p := h.pieces[i]
		p.Ended = isWhole && i == len(h.pieces)-1
		if !x.sendPiece(p) {
			return false
		}
	}
	return true
}

// heldFailed: the client knows nothing of the answer yet, so another may come in its place.
func (x *Exchange) heldFailed(err error) Stage {
	x.response.body = responseBody{}
	switch {
	case errors.Is(err, engine.ErrInterrupted):
		return x.clientHungUp()
	case errors.Is(err, engine.ErrTimeout):
		return x.attemptFailed(504, reason.BodyTimeout, pool.Timeout, false)
	}
	x.detail = endOf(err)
	return x.attemptFailed(502, reason.BodyCut, pool.Reset, false)
}

// freeServer ends what the exchange has to do with its server once all of the answer is here, unless the server still takes the request.
func (x *Exchange) freeServer() {
	if x.attempt.up.started && x.attempt.up.running {
		return
	}
	x.response.body.trailers = bytes.Clone(x.response.body.trailers) // they are the server's stream's, which another exchange has next
	x.endAttempt()
}
