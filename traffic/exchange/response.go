package exchange

import (
	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// responseState is what is answered.
type responseState struct {
	reply     message.Piece // what is here of the server's answer
	holding   *held         // while it is held back
	head      message.Response
	body      responseBody
	status    int
	local     localAnswer
	interims  wire.Interims
	hintedIn  int         // the attempt whose hints the client has got, by its count; 0: none's
	streams   bool        // both sides may be silent for as long as Route.Stream
	sentAny   bool        // a byte of it reached the client
	searching engine.Wait // for a file
}

// hintedBefore is a responseState.hintedIn of no attempt that is still to come: the client has got hints of a server whose place a copy has taken.
const hintedBefore = -1

// reset keeps a buffer. fields are for a head, in place of those that were made for a response of very many.
func (r *responseState) reset(fields []message.Field) {
	list := r.head.List
	if cap(list) > len(fields) {
		list = fields
	}
	r.reply, r.holding = message.Piece{Buf: r.reply.Buf}, nil
	r.head = message.Response{Head: message.Head{Fields: message.Fields{List: list[:0]}}}
	r.body, r.status, r.local = responseBody{}, 0, localAnswer{}
	r.interims, r.hintedIn = wire.Interims{}, 0
	r.streams, r.sentAny = false, false
}

// responseBody is what is known of the answer's body.
type responseBody struct {
	open     bool   // its head does not tell how long it is
	line     string // what the head says of that
	hop      []byte // names of fields that belong to the server's connection, where trailers might have them
	ended    bool   // all of it is here
	trailers []byte // lines that followed it
	held     bool   // back, as the route wants it
}

// filterResponse writes the answer's head anew, in the room before the body.
func (x *Exchange) filterResponse() Stage {
	if x.isSwitched() {
		return x.upgrade()
	}
	if x.looksSwitched() {
		return x.badResponse(wire.FaultStatusLine)
	}
	x.learn()
	at := x.response.reply.From + x.response.reply.Head
	data := x.response.reply.End - at
	x.attempt.isClean = true
	if x.response.head.Framing == message.FramingLength && x.attempt.conn.IsShared() && x.request.head.Major < 2 && x.client.stream.TakesTrailers() && x.response.head.Has(message.FieldTrailer) {
		x.response.head.Framing = message.FramingUntilClose // in HTTP/1.1 trailers follow chunks alone
	}
	if x.client.stream.TakesTrailers() && x.response.head.Names {
		x.response.body.hop = connectionNames(&x.response.head.Fields)
	}
	if x.response.body.ended = x.response.reply.Ended || x.response.head.Framing == message.FramingNone; x.response.body.ended {
		x.response.body.trailers = x.arrivedTrailers()
	}
	x.response.body.open = (!x.response.body.ended || len(x.response.body.trailers) > 0) && (x.response.head.Framing == message.FramingChunked || x.response.head.Framing == message.FramingUntilClose)
	line, lasts := x.client.stream.Frame(x.response.body.open)
	x.response.body.line = line
	x.client.keepAlive = x.client.keepAlive && lasts
	if !x.response.body.ended {
		x.answerStreams()
	}
	if p := x.request.route.Persistence; p != nil {
		x.settleStay(p)
	}
	if x.request.route.Buffer != nil {
		x.response.body.held = x.mayHold()
	}
	x.judgeUpload()
	if x.isLast() {
		x.client.keepAlive = false
	}
	if x.request.twin != nil {
		x.noteHead(x.response.reply.Content())
	}
	if page := x.request.route.Pages.InPlaceOf(x.response.status); page != nil {
		return x.replaceAnswer(page)
	}
	head := x.appendResponse(x.at.record[:0], int64(data))
	x.at.record = head
	if x.request.route.Hints != nil {
		x.learnHints(head)
	}
	x.placeHead(head)
	return Deliver
}

// judgeUpload decides, before the answer's head says so, what an answer that came before the request's body had ended means for the two
// connections. The rest of a body must never be taken for the next request.
func (x *Exchange) judgeUpload() {
	switch {
	case x.request.body.framing == message.FramingNone:
	case !x.attempt.up.started:
		if _, whole := x.inBuffer(); !whole {
			// The server closed as the head was on its way, so the upload never began.
			x.attempt.isClean = false
			x.client.keepAlive, x.client.linger = false, true
		}
	case x.attempt.up.finished, x.request.kept.isWhole():
	case x.response.status >= 400 || !x.attempt.up.running:
		x.client.keepAlive = false
	}
}

// placeHead puts the new head before the body's bytes, which move to a larger buffer if there is no room.
func (x *Exchange) placeHead(head []byte) {
	p := &x.response.reply
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
	v := x.response.head.Get(message.FieldKeepAlive)
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
		x.attempt.conn.LearnKeepAlive(seconds)
	}
}

func (x *Exchange) appendResponse(b []byte, data int64) []byte {
	r := &x.response.head
	b = append(b, "HTTP/1.1"...)
	b = append(b, r.Buf[len("HTTP/1.1"):r.FieldsAt.Off]...)
	b = x.appendResponseFields(b)
	if !r.Has(message.FieldDate) {
		b = x.appendDate(b)
	}
	b = x.appendAltSvc(b)
	b = x.appendResponseFraming(b, data)
	switch {
	case !x.client.keepAlive:
		b = append(b, "Connection: close\r\n"...)
	case x.request.head.Minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if r.Status == 426 {
		b = appendRequired(b, &r.Fields)
	}
	b = x.appendStay(b)
	if x.request.division.split != nil {
		b = x.appendDivision(b)
	}
	if e := x.request.route.ResponseHeaders; e != nil {
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
	r := &x.response.head
	switch {
	case x.response.body.open:
		b = append(b, x.response.body.line...)
		if x.client.stream.TakesTrailers() {
			b = appendTrailerField(b, &r.Fields, x.request.route.ResponseHeaders)
		}
		return b
	case r.Framing == message.FramingLength:
		return appendLength(b, r.Length)
	case r.Framing != message.FramingNone && x.response.body.ended && len(x.response.body.trailers) == 0:
		return appendLength(b, data) // the whole body is here: its length is known
	case r.Framing == message.FramingNone && r.Status != 204 && (r.Status >= 200 || r.Status == 101):
		if x.request.head.Method == message.MethodHEAD || r.Status == 304 {
			if v := r.Get(message.FieldContentLength); v != nil {
				return appendLength(b, r.Length)
			}
			return b
		}
		if x.attempt.conn.IsShared() && x.request.head.Major >= 2 {
			return b // gRPC's answers that are trailers alone are left as they are
		}
		return append(b, "Content-Length: 0\r\n"...)
	}
	return b
}
