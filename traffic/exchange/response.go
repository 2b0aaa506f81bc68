package exchange

import (
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// responseBody is what is known of the answer's body.
type responseBody struct {
	framing message.Framing // as the server sends it
	left    int64           // FramingLength: bytes that have not been read
	chunks  http1.Chunked
	chunked bool   // the client gets chunks
	hop     []byte // names of fields that belong to the server's connection, where trailers might have them
	ended   bool
	head    int  // bytes of the new head, which the body follows
	held    bool // back, as the route wants it
}

// response writes the answer's head anew, in the room before the body.
func (x *Exchange) response() Stage {
	if x.isSwitched() {
		return x.upgrade()
	}
	if x.looksSwitched() {
		return x.badResponse(http1.FaultStatusLine)
	}
	x.learn()
	at := x.respFrom + x.respHead
	have := x.respLen - at
	x.rest.framing = x.res.Framing
	data := have
	x.isClean = x.res.KeepAlive || x.conn.Stream != nil
	switch x.res.Framing {
	case message.FramingNone:
		x.rest.ended = true
		data = 0
	case message.FramingLength:
		x.rest.left = x.res.Length - int64(have)
		if x.rest.left <= 0 {
			data, x.rest.ended = int(x.res.Length), true
		}
	case message.FramingChunked:
		x.rest.chunks.Tolerant = x.destination.Transport.Tolerant
		x.rest.chunks.FromServer, x.rest.chunks.Collect = true, x.takesTrailers()
		if x.takesTrailers() && x.res.Names {
			x.rest.hop = connectionNames(&x.res.Fields)
		}
		n, consumed, fault := x.rest.chunks.Decode(x.resp[at:x.respLen])
		if fault != nil {
			return x.badResponse(fault)
		}
		data, x.rest.ended = n, x.rest.chunks.IsDone()
		have = data + have - consumed
	}
	if x.conn.Stream != nil && x.res.Framing != message.FramingNone {
		// Trailers may follow what has a length too: the stream's end is what ends the body.
		x.rest.framing, x.rest.ended = message.FramingUntilClose, x.arrived
		x.rest.chunks.Trailers = x.arrivedTrailers()
	}
	if x.rest.ended && have > data {
		// Bytes that nobody asked for follow: the next exchange on this connection would take them for its answer.
		x.isClean = false
	}
	x.rest.chunked = (!x.rest.ended || len(x.rest.chunks.Trailers) > 0) && x.req.Minor >= 1 && x.req.Method != message.MethodHEAD && x.stream == nil &&
		(x.res.Framing == message.FramingChunked || x.res.Framing == message.FramingUntilClose)
	if !x.rest.ended && !x.rest.chunked && x.res.Framing != message.FramingLength && x.stream == nil {
		x.keepAlive = false // an HTTP/1.0 client sees the end of the body by the end of the connection
	}
	if !x.rest.ended {
		x.answerStreams()
	}
	if p := x.route.Persistence; p != nil {
		x.settleStay(p)
	}
	if x.route.Buffer != nil {
		x.rest.held = x.mayHold()
	}
	x.judgeUpload()
	if x.isLast() {
		x.keepAlive = false
	}
	if x.twin != nil {
		x.noteHead(x.resp[at : at+data])
	}
	if page := x.route.Pages.InPlaceOf(x.status); page != nil {
		return x.replaceAnswer(page)
	}
	head := x.appendResponse(x.at.record[:0], int64(data))
	x.at.record = head
	if x.route.Hints != nil {
		x.learnHints(head)
	}
	x.rest.head = len(head)
	x.placeHead(head, at, data)
	return Deliver
}

// judgeUpload decides, before the answer's head says so, what an answer that came before the request's body had ended means for the two
// connections. The rest of a body must never be taken for the next request.
func (x *Exchange) judgeUpload() {
	switch {
	case x.body.framing == message.FramingNone:
	case !x.up.started:
		if _, whole := x.inBuffer(); !whole {
			// The server closed as the head was on its way, so the upload never began.
			x.isClean = false
			x.keepAlive, x.linger = false, true
		}
	case x.up.finished, x.kept.isWhole():
	case x.status >= 400 || !x.up.running:
		x.keepAlive = false
	}
}

// placeHead puts the new head before the body's bytes at resp[at:at+data], with a chunk's head between them where the client gets chunks.
func (x *Exchange) placeHead(head []byte, at, data int) {
	end := at + data
	if x.rest.chunked && data > 0 {
		var buf [12]byte
		h := http1.AppendChunkHead(buf[:0], data)
		if at-len(h)-len(head) >= 0 && end+2 <= len(x.resp) {
			at -= copy(x.resp[at-len(h):], h)
			end += copy(x.resp[end:], "\r\n")
		} else {
			x.moveBody(&at, &end, len(head)+len(h))
			at -= copy(x.resp[at-len(h):], h)
			end += copy(x.resp[end:], "\r\n")
		}
	} else if at < len(head) {
		x.moveBody(&at, &end, len(head))
	}
	x.respFrom = at - copy(x.resp[at-len(head):], head)
	x.respLen = end
}

// moveBody moves the body's bytes into a larger buffer with room before them.
func (x *Exchange) moveBody(at, end *int, room int) {
	n := *end - *at
	b := x.at.loop.Buffer(room + n + 64)
	copy(b[room:], x.resp[*at:*end])
	x.at.loop.Release(x.resp)
	x.resp = b
	*at, *end = room, room+n
}

// learn takes what the server says of its connections: Keep-Alive: timeout=5.
func (x *Exchange) learn() {
	v := x.res.Get(message.FieldKeepAlive)
	for len(v) > 0 {
		var item []byte
		item, v = message.NextItem(v)
		const name = "timeout="
		if len(item) <= len(name) || !message.EqualFold(item[:len(name)], name) {
			continue
		}
		seconds := 0
		for _, c := range item[len(name):] {
			if c < '0' || c > '9' || seconds > 1<<20 {
				return
			}
			seconds = seconds*10 + int(c-'0')
		}
		x.conn.LearnKeepAlive(seconds)
	}
}

func (x *Exchange) appendResponse(b []byte, data int64) []byte {
	r := &x.res
	b = append(b, "HTTP/1.1"...)
	b = append(b, r.Buf[len("HTTP/1.1"):r.FieldsAt.Off]...)
	b = x.appendResponseFields(b)
	if !r.Has(message.FieldDate) {
		b = x.appendDate(b)
	}
	b = x.appendAltSvc(b)
	b = x.appendResponseFraming(b, data)
	switch {
	case !x.keepAlive:
		b = append(b, "Connection: close\r\n"...)
	case x.req.Minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if r.Status == 426 && x.stream == nil {
		b = appendRequired(b, &r.Fields)
	}
	b = x.appendStay(b)
	if x.division.split != nil {
		b = x.appendDivision(b)
	}
	if e := x.route.ResponseHeaders; e != nil {
		b = e.Append(b, x.gather())
	}
	return append(b, "\r\n"...)
}

// appendRequired appends what a client has to speak. RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426 response to indicate the
// required protocol(s)". Section 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option in the Connection header field".
func appendRequired(b []byte, f *message.Fields) []byte {
	if !f.Has(message.FieldUpgrade) {
		return b
	}
	b = append(b, "Connection: Upgrade\r\n"...)
	for i := range f.List {
		if f.List[i].ID == message.FieldUpgrade {
			b = append(b, "Upgrade: "...)
			b = append(b, f.ValueOf(i)...)
			b = append(b, "\r\n"...)
		}
	}
	return b
}

func (x *Exchange) appendResponseFraming(b []byte, data int64) []byte {
	r := &x.res
	switch {
	case x.rest.chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		if x.takesTrailers() {
			b = appendTrailerField(b, &r.Fields, x.route.ResponseHeaders)
		}
		return b
	case r.Framing == message.FramingLength:
		return appendLength(b, r.Length)
	case r.Framing != message.FramingNone && x.rest.ended && len(x.rest.chunks.Trailers) == 0:
		return appendLength(b, data) // the whole body is here: its length is known
	case r.Framing == message.FramingNone && r.Status != 204 && (r.Status >= 200 || r.Status == 101):
		if x.req.Method == message.MethodHEAD || r.Status == 304 {
			if v := r.Get(message.FieldContentLength); v != nil {
				return appendLength(b, r.Length)
			}
			return b
		}
		if x.conn.Stream != nil && x.stream != nil {
			return b // gRPC's answers that are trailers alone are left as they are
		}
		return append(b, "Content-Length: 0\r\n"...)
	}
	return b
}
