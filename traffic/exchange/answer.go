package exchange

import (
	"strconv"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// localAnswer is an answer of weir's own.
type localAnswer struct {
	status   int
	detail   string         // what is wrong with the request, in one word
	location *site.Redirect // of a redirect
	secure   bool           // redirect to the same URL by https
	respond  *site.Respond
	allow    string // with 405: the methods, where they are not the usual ones
	retryIn  int    // seconds, of a 503; 0: 1
	page     *filter.Page
	replaces bool // a server's answer, of which page is the body
}

// answer sends an answer of weir's own.
func (x *Exchange) answer() Stage {
	x.endAttempt()
	x.stamp(Deliver)
	x.response.status = x.response.local.status
	if x.isLast() {
		x.client.keepAlive = false
	}
	x.settleBody()
	if !x.wholeToClient(x.appendWhole(x.scratch())) {
		return x.abandon(x.reason)
	}
	return Finish
}

// appendWhole appends the answer, head and body.
func (x *Exchange) appendWhole(b []byte) []byte {
	if x.isGRPC() {
		return x.appendGRPC(b)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(x.response.status), 10)
	b = append(b, ' ')
	b = append(b, message.ReasonPhrase(x.response.status)...)
	b = append(b, "\r\n"...)
	b = x.appendDate(b)
	b = x.appendAltSvc(b)
	return x.appendAnswer(b)
}

// scratch is a buffer for what weir itself says to the client. The loop's own scratch would be overwritten by others while the client
// makes weir wait.
func (x *Exchange) scratch() []byte {
	if x.attempt.out == nil {
		x.attempt.out = x.at.loop.Buffer(engine.Buffer4K)
	}
	return x.attempt.out[:0]
}

// settleMost is how much of a body is read for the sake of the connection before a request is answered.
const settleMost = 64 << 10

// settleBody decides what happens with a request body that no server will read: a small rest is read and forgotten, for a larger one
// the connection ends. Bytes of a body must never be taken for the next request (Pingora CVE-2025-4366).
func (x *Exchange) settleBody() {
	if x.request.headLen == 0 || !x.client.keepAlive {
		x.client.keepAlive = false
		return
	}
	if _, whole := x.inBuffer(); whole || x.request.body.relayed {
		return
	}
	if x.request.head.Expect {
		// The client was not told to go on, and need not send the body; if it does, it gets its answer all the same.
		x.client.keepAlive, x.client.linger = false, true
		return
	}
	owed := x.client.stream.Owed()
	if owed == 0 {
		x.awaitBody()
		return
	}
	if owed < 0 || owed > settleMost {
		x.client.keepAlive, x.client.linger = false, true
		return
	}
	buf := x.at.loop.Buffer(engine.Buffer4K)
	defer x.at.loop.Release(buf)
	began, read := x.at.loop.Now(), int64(0)
	for x.client.stream.Owed() > 0 {
		x.client.stream.SetReadTimeout(x.rateTimeout(began, read))
		n, err := x.client.stream.Read(buf)
		x.received += int64(n + x.client.stream.Around())
		if err != nil {
			x.client.keepAlive = false
			return
		}
		read += int64(n)
		x.request.body.got += int64(n)
	}
}

// awaitMost is how long an answer waits for the body of a request on a stream of its own.
const awaitMost = 100 * time.Millisecond

// awaitBody reads a small body that is on its way on a stream of its own, whose connection could do without: curl until 7.88 waits for ever where its stream ends before it has sent its body.
func (x *Exchange) awaitBody() {
	if x.request.head.Framing != message.FramingLength || x.request.head.Length > settleMost {
		return
	}
	buf := x.at.loop.Buffer(engine.Buffer4K)
	defer x.at.loop.Release(buf)
	by := x.at.loop.Now() + awaitMost.Milliseconds()
	for left := awaitMost; left > 0 && !x.client.stream.Ended(); left = time.Duration(by-x.at.loop.Now()) * time.Millisecond {
		x.client.stream.SetReadTimeout(left)
		n, err := x.client.stream.Read(buf)
		x.received += int64(n)
		x.request.body.got += int64(n)
		if err != nil {
			return
		}
	}
}

// appendAnswer appends fields and body.
func (x *Exchange) appendAnswer(b []byte) []byte {
	b = x.appendForget(b)
	if !x.client.keepAlive {
		b = append(b, "Connection: close\r\n"...)
	} else if x.request.head.Minor == 0 {
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	a := &x.response.local
	switch {
	case a.secure:
		b = x.appendHTTPSLocation(b)
	case a.location != nil:
		b = append(b, "Location: "...)
		b = a.location.AppendLocation(b, x.gather())
		b = append(b, "\r\n"...)
	case a.respond != nil && (len(a.respond.Body) > 0 || x.errorPage() == nil):
		return x.appendRespond(b, a.respond)
	case a.respond != nil && a.respond.Headers != nil:
		b = a.respond.Headers.Append(b, x.gather())
	case a.replaces:
		b = x.appendReplaced(b)
	case x.response.status == 503:
		b = append(b, "Retry-After: "...)
		b = strconv.AppendInt(b, int64(max(1, a.retryIn)), 10)
		b = append(b, "\r\n"...)
	case x.response.status == 405 && a.allow != "":
		b = append(b, "Allow: "...)
		b = append(b, a.allow...)
		b = append(b, "\r\n"...)
	case x.response.status == 405:
		b = append(b, "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"...)
	}
	if x.request.route != nil && x.request.route.ResponseHeaders != nil {
		b = x.request.route.ResponseHeaders.Append(b, x.gather())
	}
	if page := x.errorPage(); page != nil {
		return x.appendPage(b, page)
	}
	return x.appendText(b)
}

// appendText appends a short body for people: the status, and for a client's fault the word for it.
func (x *Exchange) appendText(b []byte) []byte {
	var text [128]byte
	t := strconv.AppendInt(text[:0], int64(x.response.status), 10)
	t = append(t, ' ')
	t = append(t, message.ReasonPhrase(x.response.status)...)
	if x.response.local.detail != "" {
		t = append(t, ": "...)
		t = append(t, x.response.local.detail...)
	}
	t = append(t, '\n')
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\n"...)
	b = appendLength(b, int64(len(t)))
	b = append(b, "\r\n"...)
	if x.request.head.Method == message.MethodHEAD {
		return b
	}
	return append(b, t...)
}

func (x *Exchange) appendRespond(b []byte, a *site.Respond) []byte {
	if a.Headers != nil {
		b = a.Headers.Append(b, x.gather())
	}
	if x.request.route.ResponseHeaders != nil {
		b = x.request.route.ResponseHeaders.Append(b, x.gather())
	}
	if a.Status == 204 || a.Status == 304 {
		return append(b, "\r\n"...)
	}
	if len(a.Body) > 0 && !a.HasType {
		b = append(b, "Content-Type: text/plain; charset=utf-8\r\n"...)
	}
	b = appendLength(b, int64(len(a.Body)))
	b = append(b, "\r\n"...)
	if x.request.head.Method == message.MethodHEAD {
		return b
	}
	return append(b, a.Body...)
}

func (x *Exchange) appendHTTPSLocation(b []byte) []byte {
	_, host, _ := x.publicHost()
	b = append(b, "Location: https://"...)
	b = append(b, host...)
	if p := x.setup.RedirectHTTPS; p != "443" {
		b = append(b, ':')
		b = append(b, p...)
	}
	b = append(b, x.urlPath(x.rawPath())...)
	if x.request.head.HasQuery {
		b = append(b, '?')
		b = append(b, x.request.head.Query.Of(x.request.head.Buf)...)
	}
	return append(b, "\r\n"...)
}

// appendDate and appendAltSvc append what weir adds to every answer, unless the route removes it or says it itself.
func (x *Exchange) appendDate(b []byte) []byte {
	if x.request.route != nil && x.request.route.ResponseHeaders.Removes("Date") {
		return b
	}
	return append(b, x.at.dateLine()...)
}

func (x *Exchange) appendAltSvc(b []byte) []byte {
	if x.setup.AltSvc == nil || x.request.route != nil && x.request.route.ResponseHeaders.Removes("Alt-Svc") {
		return b
	}
	return append(b, x.setup.AltSvc...)
}
