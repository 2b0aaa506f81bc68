package listener

import (
	"testing"
	"time"
)

// A reload may give the address another protocol between a client's first packet and the end of the listener of HTTP/3. quic-go asks for the transport's settings on a goroutine of its own,
// on which a panic would end the process.
func TestAFirstPacketMayComeAfterHTTPHasGone(t *testing.T) {
	l := &Listener{}
	l.setup.Store(&Setup{Handshake: time.Second})
	q := &QUIC{listener: l}
	if c := q.config(); c.HandshakeIdleTimeout != time.Second {
		t.Errorf("%+v", c)
	}
	if _, err := q.choose(nil); err != errNoQUIC {
		t.Errorf("a hello: %v", err)
	}
}
