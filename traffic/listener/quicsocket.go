package listener

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"
)

// quicSocket is the UDP socket of an address. It outlives the process: the one that takes over reads it, and passes on to the one before what is of that one's
// connections, for as long as there are any. Which those are the connection IDs say.
type quicSocket struct {
	*net.UDPConn
	batch   *ipv4.PacketConn
	tag     quicTag                        // in the connection IDs of this process
	before  atomic.Pointer[predecessor]    // nil: there is none, or it has ended
	after   atomic.Pointer[quicSuccession] // nil: this process reads the socket
	closing atomic.Bool
	resets  *quicResets // answers packets of connections that are nobody's; nil: they are left to quic-go
	passed  []byte      // scratch of the reader
	reading sync.Mutex  // held while this process reads the socket itself
}

// quicTag begins all connection IDs of a process. A client chooses its first one itself: that it has the tag of a process which goes happens once in 16 million.
type quicTag [quicTagSize]byte

const (
	quicTagSize = 3
	quicIDSize  = 10 // of a connection ID; what follows the tag is random
)

// predecessor is the process before: what has one of the tags is its own, or of one before it, to which it passes that on.
type predecessor struct {
	*quicSuccession
	tags []quicTag
}

// openQUICSocket opens an address.
func openQUICSocket(at netip.AddrPort) (*quicSocket, error) {
	config := net.ListenConfig{Control: shareAddress}
	network := "udp"
	if at.Addr().Is4() {
		network = "udp4"
	}
	packets, err := config.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, err
	}
	return newQUICSocket(packets.(*net.UDPConn), nil), nil
}

func newQUICSocket(c *net.UDPConn, before *predecessor) *quicSocket {
	s := &quicSocket{UDPConn: c, batch: ipv4.NewPacketConn(c), passed: make([]byte, passedMost)}
	if before != nil {
		s.before.Store(before)
		go s.awaitEnd(before)
	}
	for s.tag == (quicTag{}) || before != nil && slices.Contains(before.tags, s.tag) {
		rand.Read(s.tag[:])
	}
	return s
}

// awaitEnd forgets the process before once it has closed its end: it says nothing by it.
func (s *quicSocket) awaitEnd(b *predecessor) {
	b.conn.Read(make([]byte, 1))
	s.forget(b)
}

func (s *quicSocket) forget(b *predecessor) {
	if s.before.CompareAndSwap(b, nil) {
		b.conn.Close()
	}
}

// GenerateConnectionID makes one that says whose it is.
func (s *quicSocket) GenerateConnectionID() (quicgo.ConnectionID, error) {
	var id [quicIDSize]byte
	copy(id[:], s.tag[:])
	rand.Read(id[quicTagSize:])
	return quicgo.ConnectionIDFromBytes(id[:]), nil
}

// ConnectionIDLen is the length of all of them.
func (s *quicSocket) ConnectionIDLen() int { return quicIDSize }

// tags are those of this process and of the ones before that are still there.
func (s *quicSocket) tags() []quicTag {
	tags := []quicTag{s.tag}
	if b := s.before.Load(); b != nil {
		tags = append(tags, b.tags...)
	}
	return tags
}

// ReadBatch reads what is this process's, from the socket or from the process that reads that now.
func (s *quicSocket) ReadBatch(ms []ipv4.Message, flags int) (n int, err error) {
	for n == 0 && err == nil {
		after := s.after.Load()
		if after != nil {
			if n, err = after.read(&ms[0], s.passed); err != nil {
				<-after.ended // the other process is gone: keep may follow, or the end of this one
			}
		} else {
			n, err = s.readOwn(ms, flags)
		}
		if err != nil && !s.closing.Load() && (after != s.after.Load() || errors.Is(err, os.ErrDeadlineExceeded)) {
			n, err = 0, nil // leave or keep has ended the wait: it is read from elsewhere now
		}
		n = s.passOn(ms[:max(n, 0)])
	}
	return n, err
}

// readOwn reads the socket, unless it has been left.
func (s *quicSocket) readOwn(ms []ipv4.Message, flags int) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.after.Load() != nil {
		return 0, nil
	}
	return s.batch.ReadBatch(ms, flags)
}

// passOn passes packets of the previous process's connections on to it, answers those of connections that no process has, and moves the rest together.
func (s *quicSocket) passOn(ms []ipv4.Message) (kept int) {
	for i := range ms {
		m := &ms[i]
		if tag, ok := tagOf(m.Buffers[0][:m.N]); ok && tag != s.tag && s.isOthers(m, tag) {
			continue
		}
		if kept != i {
			to := &ms[kept] // the buffers are their reader's, in this order
			to.N, to.NN, to.Addr = copy(to.Buffers[0], m.Buffers[0][:m.N]), copy(to.OOB, m.OOB[:m.NN]), m.Addr
		}
		kept++
	}
	return kept
}

// isOthers handles a packet with the tag of another process. It reports false for a packet that may begin a connection: the client has chosen its connection ID.
func (s *quicSocket) isOthers(m *ipv4.Message, tag quicTag) bool {
	if b := s.before.Load(); b != nil && slices.Contains(b.tags, tag) {
		if b.write(m, s.passed) != nil {
			s.forget(b)
		}
		return true
	}
	if s.resets == nil || m.Buffers[0][0]&longHeader != 0 {
		return false
	}
	s.reset(m)
	return true
}

// longHeader is the bit of a packet's first byte that says which header it has (RFC 8999 section 5).
const longHeader = 0x80

// tagOf is the tag of a packet's connection ID (RFC 8999 section 5): after the first byte, or after version and length in one with a long header.
func tagOf(packet []byte) (tag quicTag, ok bool) {
	const lengthAt = 5
	at := 1
	if len(packet) > lengthAt && packet[0]&longHeader != 0 {
		if packet[lengthAt] != quicIDSize {
			return tag, false
		}
		at = lengthAt + 1
	}
	if len(packet) < at+quicIDSize {
		return tag, false
	}
	return quicTag(packet[at:]), true
}

// SetReadDeadline ends reading, wherever it waits.
func (s *quicSocket) SetReadDeadline(t time.Time) error {
	s.closing.Store(!t.IsZero())
	if after := s.after.Load(); after != nil {
		after.conn.SetReadDeadline(t)
		if !t.IsZero() {
			after.end()
		}
	}
	return s.UDPConn.SetReadDeadline(t)
}

// leave has the socket read by the process at the other end of the succession. Once it returns, this process takes no further packet from the socket: the first packet
// of a new client would begin a connection here that nobody accepts.
func (s *quicSocket) leave(after *quicSuccession) {
	s.after.Store(after)
	s.UDPConn.SetReadDeadline(time.Unix(1, 0))
	s.reading.Lock()
	s.reading.Unlock() // it waits until a read in progress has returned
}

// keep undoes leave.
func (s *quicSocket) keep() {
	if after := s.after.Swap(nil); after != nil {
		s.UDPConn.SetReadDeadline(time.Now().Add(always))
		after.end()
	}
}

// always is how long a socket that listens is waited at: as long as it is open.
const always = 100 * 365 * 24 * time.Hour

// Close closes what the process has of it.
func (s *quicSocket) Close() error {
	if b := s.before.Swap(nil); b != nil {
		b.conn.Close()
	}
	s.closing.Store(true)
	if after := s.after.Load(); after != nil {
		after.conn.Close()
		after.end()
	}
	return s.UDPConn.Close()
}

// quicSuccession is the way between a process and the one that has taken over from it: packets go one way, each with who sent it and what the system said of it.
type quicSuccession struct {
	conn  *net.UnixConn
	end   func()        // closes ended
	ended chan struct{} // nothing more is read from it, whatever comes
}

// passedMost is the room for a packet on its way, with what goes along.
const passedMost = 4 << 10

// write passes a packet on, or drops it, as on any other hop, where the other process does not keep up. An error says that that has ended.
func (q *quicSuccession) write(m *ipv4.Message, scratch []byte) error {
	from, ok := m.Addr.(*net.UDPAddr)
	if !ok || m.NN > 255 || len(from.IP) > 255 || len(from.Zone) > 255 || 5+m.NN+len(from.IP)+len(from.Zone)+m.N > len(scratch) {
		return nil
	}
	b := append(scratch[:0], byte(m.NN), byte(len(from.IP)), byte(len(from.Zone)), byte(from.Port>>8), byte(from.Port))
	b = append(append(append(append(b, m.OOB[:m.NN]...), from.IP...), from.Zone...), m.Buffers[0][:m.N]...)
	raw, err := q.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		_, failed = syscall.Write(int(fd), b)
		return true // it does not wait
	})
	if failed == syscall.EAGAIN || failed == syscall.ENOBUFS {
		failed = nil
	}
	return errors.Join(err, failed)
}

// read takes a packet that was passed on.
func (q *quicSuccession) read(m *ipv4.Message, scratch []byte) (int, error) {
	n, err := q.conn.Read(scratch)
	if err != nil {
		return 0, err
	}
	b := scratch[:n]
	if len(b) < 5 || len(b) < 5+int(b[0])+int(b[1])+int(b[2]) {
		return 0, nil
	}
	oob, ip, zone, port := int(b[0]), int(b[1]), int(b[2]), int(b[3])<<8|int(b[4])
	b = b[5:]
	m.NN = copy(m.OOB, b[:oob])
	m.Addr = &net.UDPAddr{IP: slices.Clone(b[oob : oob+ip]), Port: port, Zone: string(b[oob+ip : oob+ip+zone])}
	m.N = copy(m.Buffers[0], b[oob+ip+zone:])
	return 1, nil
}

// successionOf makes one end of a descriptor, which is consumed.
func successionOf(fd int) (*quicSuccession, error) {
	file := os.NewFile(uintptr(fd), "quic succession")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("it is no UNIX socket")
	}
	ended := make(chan struct{})
	return &quicSuccession{u, sync.OnceFunc(func() { close(ended) }), ended}, nil
}
