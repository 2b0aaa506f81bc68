package exchange

import (
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/message"
)

// errorPage is the page of an answer of weir's own; nil if it has none.
func (x *Exchange) errorPage() *filter.Page {
	switch {
	case x.response.local.page != nil:
		return x.response.local.page
	case x.request.route != nil:
		return x.request.route.Pages.Of(x.response.status)
	}
	return x.setup.Pages.Of(x.response.status)
}

// appendPage appends the end of the head and the page. What went wrong now must not be kept and be told again later.
func (x *Exchange) appendPage(b []byte, page *filter.Page) []byte {
	f := filter.PageFacts{Status: x.response.status, Reason: message.ReasonPhrase(x.response.status), Host: x.request.host, Path: x.request.path}
	var accept []byte
	if x.request.headLen > 0 { // else the fields may be another request's
		accept = x.request.head.Get(message.FieldAccept)
	}
	if page.UsesID {
		f.ID = strconv.FormatUint(rand.Uint64(), 36)
		x.noteID(f.ID)
	}
	form := page.Choose(accept)
	b = append(b, "Content-Type: "...)
	b = append(b, form.ContentType()...)
	b = append(b, "\r\n"...)
	if x.request.route == nil || x.request.route.ResponseHeaders == nil || !x.request.route.ResponseHeaders.Drops(cacheControl) {
		b = append(b, "Cache-Control: no-store\r\n"...)
	}
	body := page.Append(x.at.record[:0], form, &f)
	x.at.record = body
	b = appendLength(b, int64(len(body)))
	b = append(b, "\r\n"...)
	if x.request.head.Method == message.MethodHEAD {
		return b
	}
	return append(b, body...)
}

var cacheControl = []byte("Cache-Control")

// noteID puts what the client was told into the log, by which the two can be brought together.
func (x *Exchange) noteID(id string) {
	if x.detail != "" {
		x.detail += "; "
	}
	x.detail += "request " + id
}

// replaceAnswer puts a page in place of what the server has answered.
func (x *Exchange) replaceAnswer(page *filter.Page) Stage {
	if !x.response.body.ended && !x.forgetBody() {
		x.attempt.isClean = false
	}
	x.response.local = localAnswer{status: x.response.status, page: page, replaces: true}
	return Answer
}

// What of a replaced answer's body is read, for the sake of its connection, and how long that may take.
const (
	forgetMost = 64 << 10
	forgetFor  = time.Second
)

// forgetBody reads the body to its end; false if that is too far away.
func (x *Exchange) forgetBody() bool {
	s := x.attempt.conn.Stream
	b := x.response.reply.Buf[x.response.reply.From+x.response.reply.Head:] // the head is still needed
	if _, left := s.BareIn(); len(b) < 512 || x.response.head.Framing == message.FramingUntilClose || left > forgetMost {
		return false
	}
	x.attempt.conn.SetReadTimeout(min(forgetFor, x.request.route.Response))
	for read := 0; read < forgetMost && !s.Ended(); {
		n, err := s.Read(b)
		x.attempt.load.BytesReceived += uint64(n + s.Around())
		if err == io.EOF {
			break
		}
		if err != nil {
			return false
		}
		read += n
	}
	return s.Ended()
}

// appendReplaced appends the fields of a replaced answer without which its status cannot be understood, and its cookies.
func (x *Exchange) appendReplaced(b []byte) []byte {
	h := &x.response.head.Head
	for i := range h.List {
		f := &h.List[i]
		name := f.Name.Of(h.Buf)
		if e := x.request.route.ResponseHeaders; e != nil && e.Drops(name) {
			continue
		}
		switch {
		case f.ID == message.FieldSetCookie && x.request.route.Identity != nil:
			b = x.appendHiding(b, h, f)
		case f.ID == message.FieldSetCookie, f.ID == message.FieldWWWAuthenticate, f.ID == message.FieldRetryAfter, message.EqualFold(name, "Allow"):
			b = append(b, f.Line.Of(h.Buf)...)
		}
	}
	return x.appendStay(b)
}
