package listener

import (
	"errors"
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/proxyproto"
	"github.com/weir-proxy/weir/wire/sniff"
)

// readProxyHeader takes the PROXY protocol's header off the connection of a proxy that is to send one, and has the connection say the ends that
// it tells. What follows the header stays where it is. A proxy without one is refused: to guess would let anybody who gets there choose an
// address. false: the connection has ended.
func (l *Listener) readProxyHeader(c engine.Conn, setup *Setup, o *tunnel.Opened) bool {
	buf := c.Loop().Buffer(proxyproto.SizeMax)
	defer c.Loop().Release(buf)
	c.SetReadTimeout(setup.Opening)
	for seen := 0; ; {
		n, err := engine.Peek(c, buf, seen)
		h, size, fault := proxyproto.Parse(buf[:n])
		switch {
		case fault != nil:
			l.drop(c, reason.ProxyMalformed, fault)
			return false
		case size > 0:
			l.take(c, buf[:size])
			if !h.IsLocal {
				engine.SetEnds(c, h.Destination, h.Source)
			}
			o.TLVs = append([]byte(nil), h.TLVs...)
			return true
		case errors.Is(err, engine.ErrTimeout):
			l.drop(c, reason.ProxyTimeout, nil)
			return false
		case err != nil:
			l.drop(c, orMadeRoom(err, reason.ClientGone), nil)
			return false
		}
		seen = n
	}
}

// take reads what was looked at.
func (l *Listener) take(c engine.Conn, b []byte) {
	for len(b) > 0 {
		n, err := c.Read(b)
		if err != nil {
			return // it was there a moment ago; who reads next is told
		}
		b = b[n:]
	}
}

// drop ends a connection that is nobody's yet. Where there are tunnels it is counted and logged among them.
func (l *Listener) drop(c engine.Conn, why reason.Reason, err error) {
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	if l.Setup().Tunnel != nil {
		l.tunnels.Refuse(c, why, detail)
		return
	}
	if why == reason.ClientFull || why == reason.MadeRoom || why == reason.Refused {
		l.http.Refused(c.Loop(), why)
	}
	l.loops[c.Loop().Index].Dropped++
	c.Reset()
}

// orMadeRoom is why a connection ended that nobody had taken yet: the engine closes such a one when descriptors run short.
func orMadeRoom(err error, why reason.Reason) reason.Reason {
	if errors.Is(err, engine.ErrClosed) {
		return reason.MadeRoom
	}
	return why
}

// readHello looks at the ClientHello of a connection whose TLS is not ended here, or not for every name. A client of PostgreSQL asks first whether it may
// begin TLS: it may, and its server will be asked the same. false: the connection has ended.
func (l *Listener) readHello(c engine.Conn, setup *Setup, buf []byte, o *tunnel.Opened) (h sniff.Hello, ok bool) {
	c.SetReadTimeout(setup.Opening)
	hasAsked := false
	var records sniff.Records
	for seen := 0; ; {
		n, err := engine.Peek(c, buf, seen)
		h, enough, fault := records.ClientHello(buf[:n])
		if fault != nil && !o.AsksTLS {
			switch asks, isWhole := sniff.Postgres(buf[:n]); {
			case !isWhole:
				fault = nil
			case n > sniff.AskingSize || asks == sniff.AsksNothing || asks == sniff.AsksEncryption && hasAsked:
				// What comes behind the request before it is answered may be somebody else's (CVE-2021-23214).
			default:
				hasAsked, o.AsksTLS = true, asks == sniff.AsksTLS
				if l.answer(c, setup, buf[:n], asks) {
					seen = 0
					continue
				}
				fault, err = nil, io.EOF
			}
		}
		switch {
		case fault != nil, !enough && n == len(buf):
			if fault == nil {
				fault = sniff.ErrTooLong
			}
			l.drop(c, reason.HelloMalformed, fault)
			return h, false
		case enough:
			return h, true
		case errors.Is(err, engine.ErrTimeout):
			l.drop(c, reason.HelloTimeout, nil)
			return h, false
		case errors.Is(err, io.EOF), err != nil:
			l.drop(c, orMadeRoom(err, reason.ClientGone), nil)
			return h, false
		}
		seen = n
	}
}

// answer takes a request of a client of PostgreSQL off its connection, and answers it; false: the client has left.
func (l *Listener) answer(c engine.Conn, setup *Setup, request []byte, asks sniff.Asking) bool {
	l.take(c, request)
	answer := [1]byte{sniff.AnswerNo}
	if asks == sniff.AsksTLS {
		answer[0] = sniff.AnswerYes
	}
	c.SetWriteTimeout(setup.Opening)
	_, err := c.Write(answer[:])
	return err == nil
}

// speaksTLS reports whether the client's first byte is that of a handshake. One that says nothing waits for the server to speak, which none does
// in TLS. It is weir that may be late, and not the client: the engine looks once more when the time is over.
func speaksTLS(c engine.Conn) bool {
	var first [1]byte
	c.SetReadTimeout(plainAfter)
	n, _ := engine.Peek(c, first[:], 0)
	return n == 1 && first[0] == handshakeRecord
}

const (
	handshakeRecord = 22
	plainAfter      = 300 * time.Millisecond // a client that will speak first has done so by then
)
