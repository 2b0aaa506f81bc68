package exchange

import (
	"errors"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/wire/message"
)

// held is what is kept of an answer's body before the client gets any of it. Whatever is in it is framed as the client gets it.
type held struct {
	buffers [][]byte
	used    int // of the last one
	size    int64
}

// pieceLeast is the least room that another piece is read into.
const pieceLeast = 4 << 10

// room is where the next piece goes.
func (h *held) room(l *engine.Loop, most int64) []byte {
	if n := len(h.buffers); n > 0 && len(h.buffers[n-1])-h.used >= pieceLeast {
		return h.buffers[n-1][h.used:]
	} else if n > 0 {
		h.buffers[n-1] = h.buffers[n-1][:h.used]
	}
	h.buffers = append(h.buffers, l.Buffer(int(min(max(most-h.size, pieceLeast), engine.Buffer64K))))
	h.used = 0
	return h.buffers[len(h.buffers)-1]
}

// add keeps a piece that was read into room. Trailers may not fit there.
func (h *held) add(l *engine.Loop, piece []byte) {
	last := len(h.buffers) - 1
	n := copy(h.buffers[last][h.used:], piece)
	h.used += n
	h.size += int64(len(piece))
	if n < len(piece) {
		h.buffers[last] = h.buffers[last][:h.used]
		h.buffers = append(h.buffers, l.Buffer(len(piece)-n))
		h.used = copy(h.buffers[last+1], piece[n:])
	}
}

// bytes is how much memory it takes.
func (h *held) bytes() (n int) {
	for _, b := range h.buffers {
		n += cap(b)
	}
	return n
}

func (h *held) release(l *engine.Loop) {
	for _, b := range h.buffers {
		l.Release(b)
	}
	h.buffers = nil
}

// mayHold reports whether the answer is held back. Streams are not, whatever the route says: what they bring is wanted at once. Nothing is while the loop holds much for its peers.
func (x *Exchange) mayHold() bool {
	return !x.at.loop.IsCrowded() && x.route.Buffer.Response > 0 && !x.rest.ended && !x.streams && !message.EqualFold(x.res.Lookup("X-Accel-Buffering"), "no")
}

// holdBack takes the answer's body up to the route's threshold before the client gets any of it. An answer that ends before leaves the server free,
// however slow the client is, and one that breaks is asked for again.
func (x *Exchange) holdBack() Stage {
	h := &held{}
	l := x.at.loop
	x.holding = h
	defer func() {
		h.release(l)
		x.holding = nil
	}()
	for most := x.route.Buffer.Response; !x.rest.ended && h.size < most && !(h.size > 0 && l.IsCrowded()); {
		out, err := x.piece(h.room(l, most))
		if err != nil {
			return x.heldFailed(err)
		}
		h.add(l, out)
	}
	if x.rest.ended {
		x.freeServer()
	} else if x.route.Buffer.Spill > 0 && !l.IsCrowded() {
		if file := x.spillFile(); file != nil {
			return x.deliverSpilled(file, h)
		}
	}
	if !x.toClientHeld(h) {
		return x.clientFailed()
	}
	if x.rest.ended {
		return x.delivered()
	}
	return x.deliverRest()
}

// toClientHeld gives the client the head and what is held, and the buffers back to the loop.
func (x *Exchange) toClientHeld(h *held) bool {
	defer h.release(x.at.loop)
	if !x.beginAnswer() {
		return false
	}
	for i, b := range h.buffers {
		if i == len(h.buffers)-1 {
			b = b[:h.used]
		}
		if len(b) > 0 && !x.toClient(b) {
			return false
		}
	}
	return true
}

// heldFailed: the client knows nothing of the answer yet, so another may come in its place.
func (x *Exchange) heldFailed(err error) Stage {
	x.rest = responseBody{}
	switch {
	case errors.Is(err, engine.ErrInterrupted):
		return x.clientHungUp()
	case errors.Is(err, engine.ErrTimeout):
		return x.attemptFailed(504, reason.BodyTimeout, pool.Timeout, false)
	}
	x.detail = err.Error()
	return x.attemptFailed(502, reason.BodyCut, pool.Reset, false)
}

// freeServer ends what the exchange has to do with its server once all of the answer is here, unless the server still takes the request.
func (x *Exchange) freeServer() {
	if x.up.started && x.up.running {
		return
	}
	x.endAttempt()
}
