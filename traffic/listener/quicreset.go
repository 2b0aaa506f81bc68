package listener

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// quicResets makes stateless resets (RFC 9000 section 10.3) for packets of connections that no process has any more, as after a crash. Packets of a process that is leaving are passed on to
// it before. quic-go sends stateless resets too, but not for packets as small as a client's PING.
type quicResets struct {
	key   [32]byte
	since time.Time // of the second in which so many were sent
	sent  int
}

const (
	resetLeast   = 21 // bytes of the smallest one (RFC 9000 section 10.3)
	resetMost    = 42 // looks like any other packet
	resetsPerSec = 10_000
)

// resetKeyAt derives the key of a local address, so that a packet sent to one address is never answered with the token of a live connection at another.
// RFC 9000 section 21.11: "servers MUST NOT generate a stateless reset if a connection with the corresponding connection ID could be active on any endpoint using the same static key."
func resetKeyAt(key *[32]byte, at net.Addr) *[32]byte {
	if key == nil {
		return nil
	}
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(at.String()))
	return (*[32]byte)(h.Sum(nil))
}

// token is the stateless reset token of a connection ID, the same as quic-go's.
func (r *quicResets) token(id []byte) []byte {
	h := hmac.New(sha256.New, r.key[:])
	h.Write(id)
	return h.Sum(nil)[:16]
}

// answer makes the stateless reset for a packet; nil if the packet has a long header or is too small, or the limit of this second is reached.
// RFC 9000 section 10.3: "An endpoint that sends a Stateless Reset in response to a packet that is 43 bytes or shorter SHOULD send a Stateless Reset that is one byte shorter than the packet it
// responds to."
func (r *quicResets) answer(packet []byte, now time.Time) []byte {
	if len(packet) <= resetLeast || packet[0]&longHeader != 0 {
		return nil
	}
	if now.Sub(r.since) >= time.Second {
		r.since, r.sent = now, 0
	}
	if r.sent++; r.sent > resetsPerSec {
		return nil
	}
	b := make([]byte, min(len(packet)-1, resetMost))
	rand.Read(b)
	b[0] = b[0]&0x3f | 0x40
	copy(b[len(b)-16:], r.token(packet[1:1+quicIDSize]))
	return b
}

// reset sends the stateless reset for a packet, from the address to which it came.
func (s *quicSocket) reset(m *ipv4.Message) {
	to, ok := m.Addr.(*net.UDPAddr)
	if !ok {
		return
	}
	if b := s.resets.answer(m.Buffers[0][:m.N], time.Now()); b != nil {
		s.UDPConn.WriteMsgUDP(b, fromWhereItCame(m.OOB[:m.NN]), to)
	}
}

// fromWhereItCame turns the control message of a received packet into one that sends from the same local address; nil if it has none.
func fromWhereItCame(oob []byte) []byte {
	var four ipv4.ControlMessage
	if four.Parse(oob) == nil && four.Dst != nil {
		return (&ipv4.ControlMessage{Src: four.Dst, IfIndex: four.IfIndex}).Marshal()
	}
	var six ipv6.ControlMessage
	if six.Parse(oob) == nil && six.Dst != nil {
		return (&ipv6.ControlMessage{Src: six.Dst, IfIndex: six.IfIndex}).Marshal()
	}
	return nil
}
