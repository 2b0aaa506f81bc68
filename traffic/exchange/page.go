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
	case x.local.page != nil:
		return x.local.page
	case x.route != nil:
		return x.route.Pages.Of(x.status)
	}
	return x.setup.Pages.Of(x.status)
}

// appendPage appends the end of the head and the page. What went wrong now must not be kept and be told again later.
func (x *Exchange) appendPage(b []byte, page *filter.Page) []byte {
	f := filter.PageFacts{Status: x.status, Reason: message.ReasonPhrase(x.status), Host: x.host, Path: x.path}
	var accept []byte
	if x.headLen > 0 { // else the fields may be another request's
		accept = x.req.Get(message.FieldAccept)
	}
	if page.UsesID {
		f.ID = strconv.FormatUint(rand.Uint64(), 36)
		x.noteID(f.ID)
	}
	form := page.Choose(accept)
	b = append(b, "Content-Type: "...)
	b = append(b, form.ContentType()...)
	b = append(b, "\r\n"...)
	if x.route == nil || x.route.ResponseHeaders == nil || !x.route.ResponseHeaders.Drops(cacheControl) {
		b = append(b, "Cache-Control: no-store\r\n"...)
	}
	body := page.Append(x.at.record[:0], form, &f)
	x.at.record = body
	b = appendLength(b, int64(len(body)))
	b = append(b, "\r\n"...)
	if x.req.Method == message.MethodHEAD {
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
	if !x.rest.ended && !x.forgetBody() {
		x.isClean = false
	}
	x.local = localAnswer{status: x.status, page: page, replaces: true}
	return Answer
}

// What of a replaced answer's body is read, for the sake of its connection, and how long that may take.
const (
	forgetMost = 64 << 10
	forgetFor  = time.Second
)

// forgetBody reads the body to its end; false if that is too far away.
func (x *Exchange) forgetBody() bool {
	s := x.conn.Stream
	b := x.reply.Buf[x.reply.From+x.reply.Head:] // the head is still needed
	if _, left := s.BareIn(); len(b) < 512 || x.res.Framing == message.FramingUntilClose || left > forgetMost {
		return false
	}
	x.conn.SetReadTimeout(min(forgetFor, x.route.Response))
	for read := 0; read < forgetMost && !s.Ended(); {
		n, err := s.Read(b)
		x.load.BytesReceived += uint64(n + s.Around())
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
	h := &x.res.Head
	for i := range h.List {
		f := &h.List[i]
		name := f.Name.Of(h.Buf)
		if e := x.route.ResponseHeaders; e != nil && e.Drops(name) {
			continue
		}
		switch {
		case f.ID == message.FieldSetCookie && x.route.Identity != nil:
			b = x.appendHiding(b, h, f)
		case f.ID == message.FieldSetCookie, f.ID == message.FieldWWWAuthenticate, f.ID == message.FieldRetryAfter, message.EqualFold(name, "Allow"):
			b = append(b, f.Line.Of(h.Buf)...)
		}
	}
	return x.appendStay(b)
}
