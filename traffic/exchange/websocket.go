package exchange

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"

	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/wire/message"
)

// WebSocket begins as a GET with Upgrade in HTTP/1.1 (RFC 6455) and as a CONNECT with :protocol in HTTP/2 and HTTP/3 (RFC 8441, RFC 9220). Inside weir it has the
// first form. What differs is made or taken away at either side: the key and its answer, which prove to an HTTP/1.1 client that a server understands WebSocket,
// and the status, 101 or 200.

// webSocketKey and webSocketAccept are the fields of the proof.
const (
	webSocketKey    = "Sec-WebSocket-Key"
	webSocketAccept = "Sec-WebSocket-Accept"
)

// acceptOf is what answers a key (RFC 6455 section 4.2.2).
func acceptOf(key []byte) []byte {
	const id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum(append(append([]byte(nil), key...), id...))
	return base64.StdEncoding.AppendEncode(nil, sum[:])
}

// appendUpgrade says what is to be spoken instead. A client whose version has no key gets one made for the server.
func (x *Exchange) appendUpgrade(b []byte) []byte {
	b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
	b = message.AppendUpgrade(b, &x.request.head.Fields)
	b = append(b, "\r\n"...)
	if x.request.head.Major < 2 {
		return b
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	x.attempt.madeKey = base64.StdEncoding.AppendEncode(nil, nonce[:])
	b = append(b, webSocketKey...)
	b = append(b, ": "...)
	b = append(b, x.attempt.madeKey...)
	return append(b, "\r\n"...)
}

// withoutLine takes the lines of a field out of a head of weir's own making.
func withoutLine(head []byte, name string) []byte {
	for at := bytes.IndexByte(head, '\n') + 1; at < len(head) && head[at] != '\r'; {
		end := at + bytes.IndexByte(head[at:], '\n') + 1
		if line := head[at:end]; len(line) > len(name) && line[len(name)] == ':' && message.EqualFold(line[:len(name)], name) {
			head = append(head[:at], head[end:]...)
			continue
		}
		at = end
	}
	return head
}

// hasSwitched reports whether the server has agreed to what the client wants to speak instead. RFC 9110 section 7.8: "A server MUST NOT switch to a protocol that was not
// indicated by the client in the corresponding request's Upgrade header field."
func (x *Exchange) hasSwitched() bool {
	if !x.wantsUpgrade() {
		return false
	}
	if x.attempt.conn.IsShared() {
		return true // any 2xx says so (RFC 8441 section 5)
	}
	if !x.hasChosen(x.response.head.Get(message.FieldUpgrade)) {
		return false
	}
	return x.request.head.Major < 2 || bytes.Equal(x.response.head.Lookup(webSocketAccept), acceptOf(x.attempt.madeKey))
}

// hasChosen reports whether each protocol of a server's list was offered to it.
func (x *Exchange) hasChosen(list []byte) bool {
	any := false
	for len(list) > 0 {
		var item []byte
		item, list = message.NextItem(list)
		if !message.OffersProtocol(&x.request.head.Fields, item) {
			return false
		}
		any = true
	}
	return any
}

// isSwitched reports whether an answer's status says that another protocol is spoken from here on.
func (x *Exchange) isSwitched() bool {
	if !x.attempt.conn.IsShared() {
		return x.response.status == 101
	}
	return x.response.status/100 == 2 && x.wantsUpgrade()
}

// looksSwitched reports whether an answer that switches nothing would tell the client that it does, who knows only 2xx.
func (x *Exchange) looksSwitched() bool {
	return x.request.head.Major >= 2 && x.response.status/100 == 2 && x.wantsUpgrade()
}

// switchClient tells the client that its protocol is spoken from here on, with the first bytes of it.
func (x *Exchange) switchClient(early []byte) bool {
	b := x.scratch()
	x.client.stream.Frame(false)
	if x.request.head.Major >= 2 {
		x.response.status = 200
		b = append(b, "HTTP/1.1 200 OK\r\n"...)
		b = withoutLine(append(x.appendResponseFields(b), "\r\n"...), webSocketAccept)
		return x.sendPiece(message.Piece{Buf: b, Head: len(b), End: len(b), More: early})
	}
	x.response.status = 101
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\n"...)
	b = x.appendResponseFields(b)
	b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
	if x.attempt.conn.IsShared() {
		b = append(b, webSocket...)
	} else {
		b = append(b, x.response.head.Get(message.FieldUpgrade)...)
	}
	b = append(b, "\r\n"...)
	if x.attempt.conn.IsShared() {
		if key := x.request.head.Lookup(webSocketKey); key != nil {
			b = append(b, webSocketAccept...)
			b = append(b, ": "...)
			b = append(b, acceptOf(key)...)
			b = append(b, "\r\n"...)
		}
	}
	b = append(b, "\r\n"...)
	return x.sendPiece(message.Piece{Buf: b, Head: len(b), End: len(b), More: early})
}

// connectUpgrade is connect for a request that wants to speak another protocol, where the servers speak HTTP/2: one that does not understand extended CONNECT is asked by
// HTTP/1.1, on a connection of its own.
func (x *Exchange) connectUpgrade() Stage {
	c := x.attempt.conn
	if !c.IsShared() {
		return Send
	}
	if x.wantsWebSocket() && c.Stream.CanConnect(x.inTime(x.connectTimeout())) {
		return Send
	}
	c.Close()
	x.attempt.conn, x.attempt.asHTTP1 = nil, true
	if x.client.left {
		return x.clientHungUp()
	}
	d := attempt.Dialing(x.attempt.server, x.inTime(x.connectTimeout()), &x.attempt.place.Held)
	d.Heavy = x.session.hasMuch()
	d.Opaque, d.Cancel, d.Asked = true, &x.attempt.cancel, x.want(x.attempt.server, x.request.destination.Transport).Name
	conn, err := attempt.Dial(x.at.loop, x.attempt.server, x.request.destination.Transport, d)
	if err != nil {
		return x.connectFailed(err)
	}
	x.attempt.load.ConnectionsOpened++
	x.attempt.conn = conn
	return Send
}
