package exchange

import (
	"strconv"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// send writes the request's head anew and sends it with what is there of the body in one piece.
func (x *Exchange) send() Stage {
	x.stamp(Send)
	x.timing.asked, x.timing.stages[Receive] = x.timing.stages[Send], 0
	if x.setup.Log != nil {
		x.attempt.ownPort = x.attempt.conn.LocalAddr().Port() // the system is asked once for each connection
	}
	data, whole := x.inBuffer()
	need := x.request.head.Raw.Len() + len(x.request.forward) + headRoom
	if x.request.body.isOpen() {
		need += len(data) + len(x.request.body.trailers)
	}
	if x.attempt.out == nil || len(x.attempt.out) < need {
		x.at.loop.Release(x.attempt.out)
		x.attempt.out = x.at.loop.Buffer(need + min(len(data), copyMost))
	}
	head := x.appendRequest(x.attempt.out[:0], int64(len(data)), whole)
	c := x.attempt.conn
	if v := x.request.head.Get(message.FieldAuthorization); v != nil && authenticates(v) {
		c.MakePrivate()
	}
	x.attempt.own.Terms.Limits, x.attempt.own.Terms.Tolerant, x.attempt.own.Terms.Trailers = &x.setup.Limits, x.request.destination.Transport.Tolerant, x.client.stream.TakesTrailers()
	c.Use(&x.attempt.own)
	target := http2.Target{Secure: x.request.destination.Transport.TLS != nil}
	isConnect := c.IsShared() && x.wantsUpgrade()
	if isConnect {
		target.Protocol = "websocket"
		head = withoutLine(head, webSocketKey)
	}
	c.SetWriteTimeout(x.answerPause())
	sent, err := c.Stream.WriteRequest(head, x.request.head.Method, target, x.isOpenToServer(whole))
	if err == nil {
		var n int
		n, err = c.Stream.Send(message.Piece{Buf: data, End: len(data), Ended: whole && !isConnect}, x.requestTrailers())
		sent += n
	}
	if err != nil {
		return x.sendFailed(err)
	}
	x.attempt.load.BytesSent += uint64(sent)
	x.asked()
	if !whole && !isConnect {
		x.attempt.up.begin(c, x.request.head.Expect && len(data) == 0)
	}
	return Receive
}

// isOpenToServer reports whether the server gets content whose length its head does not say. whole says that the content ends with what is here.
func (x *Exchange) isOpenToServer(whole bool) bool {
	return x.request.body.isOpen() && !x.keptLength() && (!whole || len(x.request.body.trailers) > 0)
}

// asked notes that the server has more of the request. How long it takes to answer counts from the last part that it got before: a client that sends slowly makes no
// server slow.
func (x *Exchange) asked() {
	if x.timing.stages[Receive] == 0 {
		x.timing.asked = x.at.loop.Micros()
	}
}

// copyMost is the largest body that is copied behind its head; a larger one is sent from where it is.
const copyMost = 2 << 10

// headRoom is room for the fields weir adds.
const headRoom = 1024

// sendFailed: the server may have answered before it closed, so the answer is looked for; a connection that was reused and has
// nothing to say was closed by the server before the request came.
func (x *Exchange) sendFailed(err error) Stage {
	if x.attempt.ended != reason.Done && !x.client.left {
		return x.serverEnded()
	}
	if err == engine.ErrInterrupted {
		return x.clientHungUp()
	}
	if err == engine.ErrTimeout {
		return x.attemptFailed(504, reason.SendCut, pool.Timeout, false)
	}
	if !x.attempt.conn.Reused {
		return Receive
	}
	return x.attemptFailed(502, reason.SendCut, pool.Cancelled, false)
}

func (x *Exchange) clientHungUp() Stage {
	x.attempt.outcome = pool.Cancelled
	x.attempt.isClean = false
	return x.abandon(reason.ClientGone)
}

// appendRequest appends the head that the server gets: untouched runs of field lines are copied as they came.
func (x *Exchange) appendRequest(b []byte, have int64, whole bool) []byte {
	r := &x.request.head
	b = append(b, r.MethodName.Of(r.Buf)...)
	b = append(b, ' ')
	b = x.appendTarget(b)
	b = append(b, " HTTP/1.1\r\n"...)
	b = x.appendHost(b)
	b = x.appendFields(b)
	b = x.appendForwarded(b)
	b = x.appendTraces(b)
	if x.timing.by != 0 && !x.request.route.HidesTimeLeft {
		b = x.appendTimeLeft(b)
	}
	switch {
	case x.keptLength():
		b = appendLength(b, x.request.kept.length())
	case x.isOpenToServer(whole):
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		b = x.appendAnnounced(b)
	case x.request.body.isOpen():
		b = appendLength(b, have)
	case x.request.body.framing == message.FramingLength:
		b = appendLength(b, x.request.body.length)
	case r.Has(message.FieldContentLength):
		b = append(b, "Content-Length: 0\r\n"...)
	}
	if r.Trailers && !x.wantsUpgrade() {
		b = append(b, "TE: trailers\r\nConnection: TE\r\n"...)
	}
	if x.wantsUpgrade() {
		b = x.appendUpgrade(b)
	}
	if r.Expect && !whole && have == 0 {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if e := x.request.route.RequestHeaders; e != nil {
		b = e.Append(b, x.gather())
	}
	return append(b, "\r\n"...)
}

func appendLength(b []byte, n int64) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, n, 10)
	return append(b, "\r\n"...)
}

// appendTarget appends path and query: byte for byte those that came, or what the route's rewrite has made of them.
func (x *Exchange) appendTarget(b []byte) []byte {
	if x.request.forward != nil {
		return append(b, x.request.forward...)
	}
	b = append(b, x.rawPath()...)
	if x.request.head.HasQuery {
		b = append(b, '?')
		b = append(b, x.request.head.Query.Of(x.request.head.Buf)...)
	}
	return b
}

func (x *Exchange) appendHost(b []byte) []byte {
	b = append(b, "Host: "...)
	switch {
	case x.request.route.Host == site.HostNamed:
		b = append(b, x.request.route.HostName...)
	case x.request.route.Host == site.HostServer || x.request.head.Authority.Len() == 0:
		b = append(b, x.attempt.server.Name...)
	default:
		b = append(b, x.request.head.Authority.Of(x.request.head.Buf)...)
	}
	return append(b, "\r\n"...)
}

// What becomes of a request's fields. hopByHop and managed ones never pass as they came.
var requestFates = [256]fate{
	message.FieldHost: dropped, message.FieldContentLength: dropped,
	// RFC 9110 section 7.6.1: "Intermediaries SHOULD remove or replace fields that are known to require removal before forwarding,
	// whether or not they appear as a connection-option".
	message.FieldConnection: dropped, message.FieldTransferEncoding: dropped, message.FieldKeepAlive: dropped,
	message.FieldProxyConnection: dropped, message.FieldTE: dropped, message.FieldTrailer: dropped, message.FieldUpgrade: dropped,
	message.FieldHTTP2Settings: dropped, message.FieldProxyAuthorization: dropped, message.FieldExpect: dropped,
	// What says who the client is comes from weir alone.
	message.FieldForwarded: dropped, message.FieldXForwardedFor: dropped, message.FieldXForwardedProto: dropped,
	message.FieldXForwardedHost: dropped, message.FieldXForwardedPort: dropped, message.FieldXForwardedPrefix: dropped,
	message.FieldXForwardedServer: dropped, message.FieldXForwardedSSL: dropped, message.FieldXRealIP: dropped,
	// WebDAV names the site's own URLs.
	message.FieldDestination: rewritten, message.FieldIf: rewritten,
}

// untrustedFates are those of a client's fields that is no trusted proxy: it may not claim to be another, to have shown a certificate or to have
// asked for another URL.
var untrustedFates = func() [256]fate {
	fates := requestFates
	for _, id := range message.Claims() {
		fates[id] = dropped
	}
	return fates
}()

func (x *Exchange) appendFields(b []byte) []byte {
	fates := &untrustedFates
	switch {
	case x.client.told.IsTrusted && x.request.route.MapsURLs():
		fates = &mappedFates
	case x.client.told.IsTrusted:
		fates = &requestFates
	case x.request.route.MapsURLs():
		fates = &untrustedMappedFates
	}
	return x.appendLines(b, &x.request.head.Head, fates, x.request.route.RequestHeaders)
}

// fate is what becomes of a field.
type fate uint8

const (
	passes fate = iota // as it came, where no Connection field or edit says otherwise
	dropped
	rewritten // by appendOwnURL in a request, by appendHiding in an answer
)

// appendLines copies the field lines that pass, untouched runs as they came.
func (x *Exchange) appendLines(b []byte, h *message.Head, fates *[256]fate, edit *filter.HeaderEdit) []byte {
	if h.Names {
		names := message.NamesIn(&h.Fields, message.FieldConnection)
		return x.appendLinesBut(b, h, fates, edit, &names)
	}
	return x.appendLinesBut(b, h, fates, edit, nil)
}

// appendLinesBut is appendLines without the fields that a Connection field names; names is nil where none does.
// RFC 9110 section 7.6.1: "Intermediaries MUST parse a received Connection header field before a message is forwarded and, for each connection-option in this field, remove
// any header or trailer field(s) from the message with the same name". Only fields that weir has no interest in can be named away: a client must not make weir forget who
// it is, or a Cookie (Traefik CVE-2024-45410).
func (x *Exchange) appendLinesBut(b []byte, h *message.Head, fates *[256]fate, edit *filter.HeaderEdit, names *message.Names) []byte {
	run := h.FieldsAt.Off
	for i := range h.List {
		f := &h.List[i]
		fate := fates[f.ID]
		if fate == passes && names != nil && f.ID == message.FieldOther && names.Has(f.Name.Of(h.Buf)) {
			fate = dropped
		}
		if fate != dropped && edit != nil && edit.Drops(f.Name.Of(h.Buf)) {
			fate = dropped
		}
		if fate == passes {
			continue
		}
		b = append(b, h.Buf[run:f.Line.Off]...)
		run = f.Line.End
		switch {
		case fate != rewritten:
		case h == &x.request.head.Head:
			b = x.appendOwnURL(b, f)
		default:
			b = x.appendHiding(b, h, f)
		}
	}
	return append(b, h.Buf[run:h.FieldsAt.End]...)
}

// appendForwarded says who the client is.
func (x *Exchange) appendForwarded(b []byte) []byte {
	h := &x.request.hop
	h.Fields, h.Peer, h.PeerText = &x.request.head.Fields, x.session.peer, x.session.peerText[:x.session.peerLen]
	h.Source, h.Told, h.Edit, h.Scheme = x.setup.Source, &x.client.told, x.request.route.RequestHeaders, x.scheme()
	h.Authority, h.HostStays = x.request.head.Authority.Of(x.request.head.Buf), x.request.route.Host == site.HostPreserve
	return x.setup.Forwarded.Append(b, h)
}
