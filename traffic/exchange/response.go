package exchange

import (
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// responseBody is what is known of the answer's body.
type responseBody struct {
	open     bool   // its head does not tell how long it is
	line     string // what the head says of that
	hop      []byte // names of fields that belong to the server's connection, where trailers might have them
	ended    bool   // all of it is here
	trailers []byte // lines that followed it
	held     bool   // back, as the route wants it
}

// response writes the answer's head anew, in the room before the body.
func (x *Exchange) response() Stage {
	if x.isSwitched() {
		return x.upgrade()
	}
	if x.looksSwitched() {
		return x.badResponse(wire.FaultStatusLine)
	}
	x.learn()
	at := x.reply.From + x.reply.Head
	data := x.reply.End - at
	x.isClean = true
	if x.res.Framing == message.FramingLength && x.conn.IsShared() && x.req.Major < 2 && x.stream.TakesTrailers() && x.res.Has(message.FieldTrailer) {
		x.res.Framing = message.FramingUntilClose // in HTTP/1.1 trailers follow chunks alone
	}
	if x.stream.TakesTrailers() && x.res.Names {
		x.rest.hop = connectionNames(&x.res.Fields)
	}
	if x.rest.ended = x.reply.Ended || x.res.Framing == message.FramingNone; x.rest.ended {
		x.rest.trailers = x.arrivedTrailers()
	}
	x.rest.open = (!x.rest.ended || len(x.rest.trailers) > 0) && (x.res.Framing == message.FramingChunked || x.res.Framing == message.FramingUntilClose)
	line, lasts := x.stream.Frame(x.rest.open)
	x.rest.line = line
	x.keepAlive = x.keepAlive && lasts
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
		x.noteHead(x.reply.Content())
	}
	if page := x.route.Pages.InPlaceOf(x.status); page != nil {
		return x.replaceAnswer(page)
	}
	head := x.appendResponse(x.at.record[:0], int64(data))
	x.at.record = head
	if x.route.Hints != nil {
		x.learnHints(head)
	}
	x.placeHead(head)
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

// placeHead puts the new head before the body's bytes, which move to a larger buffer if there is no room.
func (x *Exchange) placeHead(head []byte) {
	p := &x.reply
	at := p.From + p.Head
	if at < len(head)+message.FrameRoom {
		n := p.End - at
		room := len(head) + message.FrameRoom
		b := x.at.loop.Buffer(room + n + message.FrameRoom)
		copy(b[room:], p.Buf[at:p.End])
		x.at.loop.Release(p.Buf)
		p.Buf, p.End, at = b, room+n, room
	}
	p.From, p.Head = at-len(head), len(head)
	copy(p.Buf[p.From:], head)
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
	if r.Status == 426 {
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
	case x.rest.open:
		b = append(b, x.rest.line...)
		if x.stream.TakesTrailers() {
			b = appendTrailerField(b, &r.Fields, x.route.ResponseHeaders)
		}
		return b
	case r.Framing == message.FramingLength:
		return appendLength(b, r.Length)
	case r.Framing != message.FramingNone && x.rest.ended && len(x.rest.trailers) == 0:
		return appendLength(b, data) // the whole body is here: its length is known
	case r.Framing == message.FramingNone && r.Status != 204 && (r.Status >= 200 || r.Status == 101):
		if x.req.Method == message.MethodHEAD || r.Status == 304 {
			if v := r.Get(message.FieldContentLength); v != nil {
				return appendLength(b, r.Length)
			}
			return b
		}
		if x.conn.IsShared() && x.req.Major >= 2 {
			return b // gRPC's answers that are trailers alone are left as they are
		}
		return append(b, "Content-Length: 0\r\n"...)
	}
	return b
}
