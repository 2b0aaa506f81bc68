package hostile

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	wire3 "github.com/weir-proxy/weir/wire/http3"
)

// protection seals and opens packets of QUIC (RFC 9001 section 5).
type protection struct {
	aead   cipher.AEAD
	iv     []byte
	header cipher.Block
}

func protect(k secretKeys) *protection {
	block, err := aes.NewCipher(k.expand("quic hp", k.size))
	if err != nil {
		panic(err)
	}
	return &protection{gcm(k.expand("quic key", k.size)), k.expand("quic iv", 12), block}
}

func (p *protection) nonce(number uint64) []byte {
	n := bytes.Clone(p.iv)
	for i := range 8 {
		n[4+i] ^= byte(number >> (56 - 8*i))
	}
	return n
}

// numberSize is that of a packet's number in what is sealed here.
const numberSize = 4

// seal makes a packet of a header without a number, and frames.
func (p *protection) seal(header []byte, number uint64, frames []byte) []byte {
	at := len(header)
	header = binary.BigEndian.AppendUint32(header, uint32(number))
	b := p.aead.Seal(header, p.nonce(number), frames, header)
	var mask [16]byte
	p.header.Encrypt(mask[:], b[at+4:at+20])
	if b[0]&0x80 != 0 {
		b[0] ^= mask[0] & 0x0f
	} else {
		b[0] ^= mask[0] & 0x1f
	}
	for i := range numberSize {
		b[at+i] ^= mask[1+i]
	}
	return b
}

// open reads a packet with a short header; largest is the number of the last one.
func (p *protection) open(b []byte, at int, largest uint64) (number uint64, frames []byte, err error) {
	if len(b) < at+20 {
		return 0, nil, errors.New("short")
	}
	b = bytes.Clone(b)
	var mask [16]byte
	p.header.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0x1f
	size := int(b[0]&3) + 1
	var low uint64
	for i := range size {
		b[at+i] ^= mask[1+i]
		low = low<<8 | uint64(b[at+i])
	}
	// RFC 9000 appendix A.3.
	window := uint64(1) << (8 * size)
	number = (largest+1)&^(window-1) | low
	if number+window/2 <= largest+1 {
		number += window
	} else if number > largest+1+window/2 && number >= window {
		number -= window
	}
	frames, err = p.aead.Open(nil, p.nonce(number), b[at+size:], b[:at+size])
	return number, frames, err
}

// tap is a socket under quic-go's client: once it is cut, what the client sends is dropped.
type tap struct {
	*net.UDPConn
	mu     sync.Mutex
	server []byte // the server's connection ID
	isCut  atomic.Bool
}

// packetConn hides what quic-go would use of a socket beside reading and writing.
type packetConn struct{ net.PacketConn }

func (c *tap) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.isCut.Load() {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}

func (c *tap) ReadFrom(b []byte) (int, net.Addr, error) {
	if c.isCut.Load() {
		time.Sleep(time.Hour) // the attacker reads itself
	}
	n, from, err := c.UDPConn.ReadFrom(b)
	if n > 7 && b[0]&0x80 != 0 {
		if at := 6 + int(b[5]); n > at && n >= at+1+int(b[at]) {
			c.mu.Lock()
			c.server = bytes.Clone(b[at+1 : at+1+int(b[at])])
			c.mu.Unlock()
		}
	}
	return n, from, err
}

// rawQUIC is a connection whose handshake quic-go has done, and whose packets the attacker writes.
type rawQUIC struct {
	s       *scene
	conn    *net.UDPConn
	to      net.Addr
	server  []byte // connection ID
	own     int    // size of the client's
	out, in *protection
	number  uint64
	largest uint64
	heard   []uint64 // numbers of packets that came, the last ones, in order
	ids     map[uint64][]byte
	isOver  bool // the server has closed it
}

// firstNumber is above what quic-go's client has used.
const firstNumber = 1 << 20

func (s *scene) rawQUIC() (*rawQUIC, error) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(s.from)})
	if err != nil {
		return nil, err
	}
	udp.SetReadBuffer(4 << 20)
	c := &tap{UDPConn: udp}
	to, err := net.ResolveUDPAddr("udp4", s.at["quic"])
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	kept := &keyLog{}
	transport := &quicgo.Transport{Conn: packetConn{c}, ConnectionIDLength: 8}
	conn, err := transport.Dial(ctx, to, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "localhost", KeyLogWriter: kept}, &quicgo.Config{})
	if err != nil {
		udp.Close()
		return nil, err
	}
	if control, err := conn.OpenUniStream(); err == nil {
		control.Write(wire3.AppendControl(nil, 1<<20, false))
	}
	time.Sleep(50 * time.Millisecond) // what ends the handshake has been sent
	c.isCut.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 16
	switch conn.ConnectionState().TLS.CipherSuite {
	case tls.TLS_AES_256_GCM_SHA384:
		size = 32
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return nil, errors.New("a cipher suite that the test does not have")
	}
	q := &rawQUIC{s: s, conn: udp, to: to, server: c.server, own: 8, number: firstNumber, ids: map[uint64][]byte{},
		out: protect(secretKeys{kept.secret("CLIENT_TRAFFIC_SECRET_0"), size}), in: protect(secretKeys{kept.secret("SERVER_TRAFFIC_SECRET_0"), size})}
	return q, nil
}

// send sends frames in a packet.
func (q *rawQUIC) send(frames []byte) {
	b := q.out.seal(append([]byte{0x40 | numberSize - 1}, q.server...), q.number, frames)
	q.number++
	q.raw(b)
}

func (q *rawQUIC) raw(b []byte) {
	if n, err := q.conn.WriteTo(b, q.to); err == nil {
		q.s.sent.Add(int64(n))
		q.s.units.Add(1)
	}
}

// heardMost bounds what is remembered of the server's packets.
const heardMost = 2000

// hear reads what has come, until nothing comes for so long.
func (q *rawQUIC) hear(patience time.Duration) {
	b := make([]byte, 2000)
	for range 1000 {
		q.conn.SetReadDeadline(time.Now().Add(patience))
		n, err := q.conn.Read(b)
		if err != nil {
			return
		}
		if b[0]&0x80 != 0 {
			continue
		}
		number, frames, err := q.in.open(b[:n], 1+q.own, q.largest)
		if err != nil {
			continue
		}
		q.largest = max(q.largest, number)
		q.heard = append(q.heard, number)
		if len(q.heard) > heardMost {
			q.heard = slices.Delete(q.heard, 0, heardMost/4)
		}
		q.look(frames)
	}
}

// look reads the frames that matter to the attacker.
func (q *rawQUIC) look(b []byte) {
	number := func() uint64 {
		v, n := wire3.ParseVarint(b)
		b = b[n:]
		return v
	}
	defer func() { recover() }() // frames of other kinds are not understood
	for len(b) > 0 {
		switch kind := number(); kind {
		case 0, 1:
		case 2, 3:
			number()
			number()
			ranges := number()
			number()
			for range ranges {
				number()
				number()
			}
			if kind == 3 {
				number()
				number()
				number()
			}
		case 6:
			number()
			b = b[number():]
		case 0x18:
			seq := number()
			number()
			size := int(b[0])
			q.ids[seq] = bytes.Clone(b[1 : 1+size])
			b = b[1+size+16:]
		case 0x1c, 0x1d:
			q.isOver = true
			return
		case 0x1e:
		default:
			return
		}
	}
}

// ack is an ACK frame of so many ranges at most, of packets that came: every step-th.
func (q *rawQUIC) ack(ranges, step int) []byte {
	if len(q.heard) == 0 {
		return []byte{1}
	}
	list := slices.Clone(q.heard)
	slices.Sort(list)
	list = slices.Compact(list)
	type span struct{ low, high uint64 }
	var spans []span
	for i := len(list) - 1; i >= 0 && len(spans) < ranges; i -= step {
		n := list[i]
		if k := len(spans); k > 0 && spans[k-1].low == n+1 {
			spans[k-1].low = n
			continue
		}
		spans = append(spans, span{n, n})
	}
	b := wire3.AppendVarint([]byte{2}, spans[0].high)
	b = wire3.AppendVarint(append(b, 0), uint64(len(spans)-1))
	b = wire3.AppendVarint(b, spans[0].high-spans[0].low)
	for i := 1; i < len(spans); i++ {
		b = wire3.AppendVarint(b, spans[i-1].low-spans[i].high-2)
		b = wire3.AppendVarint(b, spans[i].high-spans[i].low)
	}
	return b
}

// frames floods connection after connection with what next makes, until the attack is over.
func frames(next func(q *rawQUIC, i int) []byte) attack {
	return attack{conns: 4, open: again(func(s *scene) error {
		q, err := s.rawQUIC()
		if err != nil {
			return err
		}
		defer q.conn.Close()
		for i := 0; s.goesOn() && !q.isOver; i++ {
			if b := next(q, i); b != nil {
				q.send(b)
			}
			if i%16 == 15 {
				q.hear(time.Microsecond)
				if len(q.heard) > 0 {
					q.send(q.ack(32, 1))
				}
			}
		}
		return nil
	})}
}

// times is a frame again and again, as often as a datagram holds it.
func times(frame []byte) []byte { return bytes.Repeat(frame, 1150/len(frame)) }

// quicAttacks are those of QUIC below HTTP/3.
var quicAttacks = map[string]attack{
	"quic, a PING in each datagram": shortly(frames(func(*rawQUIC, int) []byte { return []byte{1} })),
	"quic, many PING in each datagram": frames(func(*rawQUIC, int) []byte {
		return times([]byte{1})
	}),
	"quic, padding":          frames(func(*rawQUIC, int) []byte { return make([]byte, 1150) }),
	"quic, a PATH_CHALLENGE": frames(func(_ *rawQUIC, i int) []byte { return binary.BigEndian.AppendUint64([]byte{0x1a}, uint64(i)) }),
	"quic, many PATH_CHALLENGE": shortly(frames(func(_ *rawQUIC, i int) []byte {
		return times(binary.BigEndian.AppendUint64([]byte{0x1a}, uint64(i)))
	})),
	"quic, PATH_RESPONSE": frames(func(_ *rawQUIC, i int) []byte {
		return times(binary.BigEndian.AppendUint64([]byte{0x1b}, uint64(i)))
	}),
	"quic, NEW_CONNECTION_ID that retire all before": frames(func(_ *rawQUIC, i int) []byte {
		var b []byte
		for k := range 30 {
			seq := uint64(10 + 30*i + k)
			b = wire3.AppendVarint(wire3.AppendVarint(append(b, 0x18), seq), seq)
			b = binary.BigEndian.AppendUint64(append(b, 8), seq)
			b = append(b, make([]byte, 8)...)
			b = binary.BigEndian.AppendUint64(b, seq)
		}
		return b
	}),
	"quic, RETIRE_CONNECTION_ID": frames(func(q *rawQUIC, i int) []byte {
		if len(q.ids) < 2 {
			q.hear(time.Millisecond)
			return q.ack(32, 1)
		}
		var last uint64
		for seq := range q.ids {
			last = max(last, seq)
		}
		q.server = q.ids[last]
		var b []byte
		for seq := range q.ids {
			if seq != last {
				b = wire3.AppendVarint(append(b, 0x19), seq)
				delete(q.ids, seq)
			}
		}
		return b
	}),
	"quic, ACK of many ranges": frames(func(q *rawQUIC, i int) []byte {
		if len(q.heard) < heardMost/2 {
			q.hear(time.Microsecond)
			return []byte{1}
		}
		return q.ack(250, 2)
	}),
	"quic, DATA_BLOCKED": frames(func(_ *rawQUIC, i int) []byte { return times(wire3.AppendVarint([]byte{0x14}, uint64(i))) }),
	"quic, STREAM_DATA_BLOCKED": frames(func(_ *rawQUIC, i int) []byte {
		return times(wire3.AppendVarint([]byte{0x15, 0}, uint64(i)))
	}),
	"quic, STREAMS_BLOCKED": frames(func(*rawQUIC, int) []byte { return times([]byte{0x16, 0x40, 0x80}) }),
	"quic, MAX_DATA":        frames(func(_ *rawQUIC, i int) []byte { return times(wire3.AppendVarint([]byte{0x10}, uint64(1000+i))) }),
	"quic, MAX_STREAM_DATA": frames(func(_ *rawQUIC, i int) []byte {
		return times(wire3.AppendVarint([]byte{0x11, 0}, uint64(1000+i)))
	}),
	"quic, CRYPTO out of order": frames(func(_ *rawQUIC, i int) []byte {
		var b []byte
		for k := range 200 {
			b = append(wire3.AppendVarint(append(b, 6), uint64(2+(2*k+400*(i%40))%16000)), 1, 'x')
		}
		return b
	}),
	"quic, STREAM without a byte": shortly(frames(func(*rawQUIC, int) []byte { return times([]byte{0x0a, 0, 0}) })),
	"quic, STREAM out of order": frames(func(_ *rawQUIC, i int) []byte {
		var b []byte
		for k := range 200 {
			b = append(wire3.AppendVarint(append(b, 0x0e, 0), uint64(2+(2*k+400*(i%2))%100_000)), 1, 'x')
		}
		return b
	}),
	"quic, the same byte of a STREAM": frames(func(*rawQUIC, int) []byte { return times([]byte{0x0e, 0, 2, 1, 'x'}) }),
	"quic, streams that are reset at once": frames(func(_ *rawQUIC, i int) []byte {
		var b []byte
		for k := range 20 {
			b = wire3.AppendVarint(append(b, 4), uint64(4*(20*i+k)))
			b = append(b, 0, 0)
		}
		return b
	}),
	"quic, what is not encrypted by the keys": shortly(frames(func(q *rawQUIC, i int) []byte {
		b := append([]byte{0x43}, q.server...)
		q.raw(append(b, make([]byte, 1000)...))
		return nil
	})),
	"quic, connections that nobody knows": {conns: 2, open: func(s *scene) error {
		return s.throw(false, func([]byte) []byte {
			b := make([]byte, 60)
			rand.Read(b)
			b[0] = b[0]&0x3f | 0x40
			return b
		})
	}},
	"quic, versions that nobody knows": {conns: 2, short: true, open: func(s *scene) error {
		return s.throw(true, func(b []byte) []byte { return unknownVersion })
	}},
	"quic, spoofed Initials": {conns: 2, short: true, open: func(s *scene) error {
		next := initials()
		return s.throw(true, func([]byte) []byte { return next() })
	}},
	"quic, Initials of one client": {conns: 2, open: func(s *scene) error {
		next := initials()
		return s.throw(false, func([]byte) []byte { return next() })
	}},
	"quic, Initials with a part of the hello": {conns: 2, open: func(s *scene) error {
		next := initialsOf(func(hello []byte) []byte { return hello[:50] })
		return s.throw(true, func([]byte) []byte { return next() })
	}},
	"quic, handshakes": {conns: floods, open: again(func(s *scene) error {
		c, err := s.http3(1 << 16)
		s.units.Add(1)
		if err == nil {
			c.CloseWithError(0x100, "")
		}
		return err
	})},
}

func shortly(a attack) attack {
	a.short = true
	return a
}

var unknownVersion = func() []byte {
	b := append([]byte{0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8}, make([]byte, 1194)...)
	b[14] = 8
	return b
}()

// throw sends datagram after datagram, of senders that there are not, or of one.
func (s *scene) throw(isSpoofed bool, next func(last []byte) []byte) error {
	send := func([]byte) error { return nil }
	if isSpoofed {
		p, err := newSpoofer(s.at["quic"])
		if err != nil {
			return err
		}
		defer p.close()
		send = p.datagram
	} else {
		c, err := net.Dial("udp4", s.at["quic"])
		if err != nil {
			return err
		}
		defer c.Close()
		send = func(b []byte) error { _, err := c.Write(b); return err }
	}
	var b []byte
	for s.goesOn() {
		b = next(b)
		if send(b) == nil {
			s.sent.Add(int64(len(b)))
			s.units.Add(1)
		}
	}
	return nil
}

// initialSalt is that of RFC 9001 section 5.2.
var initialSalt, _ = hex.DecodeString("38762cf7f55934b34d179ae6a4c80ccadcc1b9c6")

// initials makes first packets of clients, each of a connection of its own, with a whole ClientHello.
func initials() func() []byte { return initialsOf(func(hello []byte) []byte { return hello }) }

func initialsOf(part func(hello []byte) []byte) func() []byte {
	whole := part(quicHello())
	frame := wire3.AppendVarint([]byte{6, 0}, uint64(len(whole)))
	frame = append(frame, whole...)
	return func() []byte {
		id := make([]byte, 8)
		rand.Read(id)
		first, err := hkdf.Extract(sha256.New, id, initialSalt)
		if err != nil {
			panic(err)
		}
		p := protect(secretKeys{secretKeys{first, 16}.expand("client in", 32), 16})
		header := append([]byte{0xc0 | numberSize - 1, 0, 0, 0, 1, 8}, id...)
		header = append(header, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0)
		const size = 1200
		rest := size - len(header) - 2 // number, frames and tag
		header = binary.BigEndian.AppendUint16(header, uint16(rest)|0x4000)
		frames := append(bytes.Clone(frame), make([]byte, rest-numberSize-16-len(frame))...)
		return p.seal(header, 0, frames)
	}
}

// quicHello is a client's first message.
func quicHello() []byte {
	c := tls.QUICClient(&tls.QUICConfig{TLSConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519}}})
	c.SetTransportParameters([]byte{0x0f, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 4, 0x80, 0x10, 0, 0, 8, 2, 0x40, 100, 9, 2, 0x40, 100})
	if err := c.Start(context.Background()); err != nil {
		panic(err)
	}
	for {
		if e := c.NextEvent(); e.Kind == tls.QUICWriteData {
			return bytes.Clone(e.Data)
		} else if e.Kind == tls.QUICNoEvent {
			panic("no hello")
		}
	}
}
