package exchange

import (
	"math/rand/v2"
	"strconv"

	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// shadowsMost bounds the copies that a loop has under way, so that a slow pool of shadows costs memory with an end.
const shadowsMost = 512

// tee collects a request's body for its copy while the body goes on to the server.
type tee struct {
	mirror *site.Mirror
	body   []byte
	held   int // bytes that the loop counts for it
}

// mirror decides whether the request is copied, and sends the copy if the body is here. What is spoken after an upgrade cannot be.
func (x *Exchange) mirror(m *site.Mirror) {
	if m.Share < site.Points && rand.Uint32N(site.Points) >= m.Share || x.wantsUpgrade() {
		return
	}
	mine := &m.Route.Destination.Loops[x.at.loop.Index].Mirror
	data, whole := x.inBuffer()
	if k := x.request.kept; x.announced() > m.Body || int64(len(data)) > m.Body || k != nil && k.behind() > 0 || x.at.shadows >= shadowsMost || x.at.loop.IsCrowded() {
		mine.Skipped++
		return
	}
	if m.Compare {
		x.request.twin = newTwin()
	}
	if whole {
		x.castShadow(m, data)
		return
	}
	// What is announced need not come: room is made as it does.
	x.request.tee = &tee{mirror: m, body: append(make([]byte, 0, 4<<10), data...)}
	x.countTee()
}

// countTee has the loop count what the copy holds.
func (x *Exchange) countTee() {
	x.at.loop.Hold(cap(x.request.tee.body) - x.request.tee.held)
	x.request.tee.held = cap(x.request.tee.body)
}

// dropTee ends the copy.
func (x *Exchange) dropTee() {
	x.at.loop.Hold(-x.request.tee.held)
	x.request.tee = nil
}

// addToTee takes a piece of the body. Too many, or a loop that holds much for its peers, end the copy.
func (x *Exchange) addToTee(piece []byte) {
	t := x.request.tee
	if int64(len(t.body)+len(piece)) > t.mirror.Body || x.at.loop.IsCrowded() {
		t.mirror.Route.Destination.Loops[x.at.loop.Index].Mirror.Skipped++
		x.dropTee()
		x.request.twin = nil
		return
	}
	t.body = append(t.body, piece...)
	x.countTee()
}

// endTee sends the copy, once all of the body has been there.
func (x *Exchange) endTee() {
	t := x.request.tee
	x.dropTee()
	x.castShadow(t.mirror, t.body)
}

// castShadow lets another exchange, without a client, take the same request to the mirror's pool.
func (x *Exchange) castShadow(m *site.Mirror, body []byte) {
	head := x.request.in[:x.request.headLen]
	size := len(head) + len(body) + 64
	s := &shadow{at: x.at, mirror: m, twin: x.request.twin, buf: x.at.loop.Buffer(size)}
	b := append(s.buf[:0], head...)
	switch {
	case x.request.head.Framing != message.FramingChunked && (x.request.head.Framing == message.FramingUntilClose || int64(len(body)) != x.request.head.Length): // the head does not say where the body ends
		b = withoutLine(b, "Content-Length")
		b = append(b[:len(b)-len("\r\n")], "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(append(b, "\r\n\r\n"...), body...)
	case x.request.head.Framing == message.FramingChunked:
		if len(body) > 0 {
			b = strconv.AppendInt(b, int64(len(body)), 16)
			b = append(b, "\r\n"...)
			b = append(b, body...)
			b = append(b, "\r\n"...)
		}
		b = append(b, "0\r\n\r\n"...)
	default:
		b = append(b, body...)
	}
	from := x.session
	s.conn = shadowConn{loop: x.at.loop, request: b, remote: x.client.conn.RemoteAddr(), local: x.client.conn.LocalAddr()}
	s.session = session{http: from.http, at: x.at, conn: &s.conn, peer: from.peer, peerText: from.peerText, peerLen: from.peerLen, secure: from.secure, tls: from.tls, told: from.told,
		shadow: s, counted: &m.Route.Destination.Loops[x.at.loop.Index]}
	s.session.counted.Mirror.Sent++
	x.at.shadows++
	x.at.loop.Go(s)
}
