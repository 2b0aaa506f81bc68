package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	packetBatch  = 32       // packets taken or given by a system call
	packetSize   = 64 << 10 // of a datagram, or of several in one packet
	segmentsMost = 64       // datagrams in one packet that is sent; what every kernel with GSO takes
	controlSize  = 128      // room for a segment's size and two addresses
	packetsInBuf = 4 << 20  // of a listening socket's buffer: what comes in while the loop is at something else
	payloadMost  = 65_000   // bytes in one packet that is sent
)

// PacketSocket is a UDP socket on a loop, one that listens or one that is connected to a peer. Owned by its loop.
type PacketSocket struct {
	loop    *Loop
	fd      int
	gen     int32
	handler PacketHandler
	is6     bool
	closed  bool
	deaf    bool // another process reads, or will: this one only sends
	index   int  // among the sockets of its listener

	behind  int64 // ms: since when every turn has left something unread; 0: the last one has not
	skipped int   // packets of this turn that the handler did nothing for

	hasOnePeer bool // it was connected before it had a port: nobody else has ever sent to it
	counted    bool // among the loop's open connections

	pending bool // it has messages in the outbox
	first   int  // of these
	last    int

	portableSocket
}

// mmsghdr is the system's struct of that name.
type mmsghdr struct {
	header syscall.Msghdr
	size   uint32
}

// message is a packet on its way out.
type message struct {
	to      netip.AddrPort // invalid: the socket's peer
	local   netip.Addr
	parts   []syscall.Iovec
	segment int
	size    int
	isFull  bool // nothing more may follow: the last part is shorter than the others
	next    int  // message of the same socket; -1: none
}

// inbox is the system's form of packets that come.
type inbox struct {
	headers [packetBatch]mmsghdr
	used    int // the system has written to so many since they were made ready
}

// packets is a loop's room for datagrams, made when the first socket is opened: 2 MiB. Owned by the loop.
type packets struct {
	sockets map[int]*PacketSocket
	named   inbox // for sockets that anybody sends to
	bare    inbox // for those with one peer: that the system need not say who it is saves two hundredths of all
	inParts [packetBatch]syscall.Iovec
	names   [packetBatch]syscall.RawSockaddrAny
	control [packetBatch][controlSize]byte
	data    []byte
	batch   [packetBatch]Packet

	outbox     []message
	out        [packetBatch]mmsghdr
	outOf      [packetBatch]*message
	outNames   [packetBatch]syscall.RawSockaddrInet6
	outControl [packetBatch][controlSize]byte
	waiting    []*PacketSocket // with messages in the outbox
	noSegments bool            // the system cannot cut packets into datagrams
}

func (l *Loop) packets() *packets {
	if l.poller.packets == nil {
		l.poller.packets = newPackets()
	}
	return l.poller.packets
}

func newPackets() *packets {
	p := &packets{sockets: map[int]*PacketSocket{}, data: make([]byte, packetBatch*packetSize), named: inbox{used: packetBatch}, bare: inbox{used: packetBatch}}
	for i := range packetBatch {
		p.inParts[i].Base = &p.data[i*packetSize]
		p.inParts[i].SetLen(packetSize)
		h := &p.named.headers[i].header
		h.Iov, h.Iovlen = &p.inParts[i], 1
		h.Name = (*byte)(unsafe.Pointer(&p.names[i]))
		h.Control = &p.control[i][0]
		p.bare.headers[i] = p.named.headers[i]
		p.bare.headers[i].header.Name = nil
	}
	return p
}

// ListenPackets binds a datagram address on every loop, a socket each (SO_REUSEPORT): the system gives all datagrams of a peer to one of them.
// handler makes what takes them on a loop. Not from a loop.
func (e *Engine) ListenPackets(address Address, config ListenConfig, handler func(l *Loop) PacketHandler) (*Listener, error) {
	if e.loops[0].portable != nil {
		return e.listenPacketsPortable(address, handler)
	}
	ln := &Listener{Address: address, engine: e, isInherited: len(config.Sockets) > 0}
	fds, err := ln.take(config, len(e.loops), func() (int, error) { return packetSocket(ln.Address, config.Transparent) })
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	sockets := make([]*PacketSocket, len(fds))
	for i, fd := range fds {
		l := e.loops[i%len(e.loops)]
		sockets[i] = &PacketSocket{loop: l, fd: fd, index: i, is6: address.IP.Addr().Is6() && !address.IP.Addr().Is4In6()}
		l.Call(func() { sockets[i].handler = handler(l) })
	}
	each := func(do func(*PacketSocket)) {
		for _, s := range sockets {
			s.loop.Call(func() { do(s) })
		}
	}
	ln.start = func() { each(func(s *PacketSocket) { s.register() }) }
	ln.leave = func() { each((*PacketSocket).stopReading) }
	ln.closeLeft = func() { each((*PacketSocket).Close) }
	ln.sockets = func() []int { return fds }
	ln.packets = sockets
	ln.close = func() {
		each(func(s *PacketSocket) {
			s.readable() // what has come is for this process
			s.Close()
			if ln.last != nil {
				ln.last(s.loop)
			}
		})
	}
	if !config.Paused {
		ln.Start()
	}
	return ln, nil
}

func packetSocket(address Address, transparent bool) (int, error) {
	domain, sa := sockaddr(address)
	fd, err := newPacketSocket(domain)
	if err != nil {
		return -1, err
	}
	fail := func(call string, err error) (int, error) {
		syscall.Close(fd)
		return -1, os.NewSyscallError(call, err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1); err != nil {
		return fail("setsockopt SO_REUSEPORT", err)
	}
	if syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, unix.SO_RCVBUFFORCE, packetsInBuf) != nil {
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, packetsInBuf)
	}
	if domain == syscall.AF_INET6 {
		only := 1
		if address.IP.Addr().IsUnspecified() {
			only = 0
		}
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, only)
	}
	if address.IP.Addr().IsUnspecified() {
		// Replies have to come from the address that was asked.
		if domain == syscall.AF_INET6 {
			syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
		} else {
			syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		}
	}
	if transparent {
		if err := setTransparent(fd, domain); err != nil {
			return fail("transparent", err)
		}
		// A socket of both families is told by the option of each.
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, unix.IP_RECVORIGDSTADDR, 1)
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, unix.IPV6_RECVORIGDSTADDR, 1)
	}
	if err := syscall.Bind(fd, sa); err != nil {
		return fail("bind", err)
	}
	return fd, nil
}

func newPacketSocket(domain int) (int, error) {
	fd, err := rawSocket(domain, syscall.SOCK_DGRAM)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	syscall.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1)
	return fd, nil
}

// register has the loop told of what comes: by level, since a flood is not read to its end in one turn.
func (s *PacketSocket) register() error {
	l := s.loop
	l.poller.gen++
	s.gen = l.poller.gen
	l.packets().sockets[s.fd] = s
	ev := syscall.EpollEvent{Fd: int32(s.fd), Pad: s.gen, Events: syscall.EPOLLIN}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.poller.fd, syscall.EPOLL_CTL_ADD, s.fd, &ev))
}

// stopReading leaves what comes to whoever else has the socket. Replies of flows that go on can still be sent by it.
func (s *PacketSocket) stopReading() {
	if s.closed || s.deaf {
		return
	}
	s.deaf = true
	syscall.EpollCtl(s.loop.poller.fd, syscall.EPOLL_CTL_DEL, s.fd, nil)
	delete(s.loop.packets().sockets, s.fd)
}

// Close ends the use of a socket; of a listening one, after its last flow.
func (s *PacketSocket) Close() {
	if s.closed {
		return
	}
	if s.net != nil {
		s.closePortable()
		return
	}
	s.stopReading()
	s.closed = true
	syscall.Close(s.fd)
	if s.counted {
		s.loop.Stats.Open--
		s.loop.saysOpen()
	}
}

// handle calls the handler. A panic in it is reported and ends nothing else.
func (s *PacketSocket) handle(batch []Packet) {
	defer func() {
		if r := recover(); r != nil {
			s.loop.panicked(r, debug.Stack())
		}
	}()
	s.handler.Packets(s, batch)
}

func (s *PacketSocket) receive(p *packets) int {
	in := &p.named
	if s.hasOnePeer {
		in = &p.bare
	}
	for i := range in.used {
		h := &in.headers[i].header
		h.Flags = 0
		if !s.hasOnePeer {
			h.Namelen = uint32(unsafe.Sizeof(p.names[i]))
		}
		h.SetControllen(controlSize)
	}
	in.used = 0
	st := &s.loop.Stats.Packets
	st.ReceiveCall++
	r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&in.headers[0])), packetBatch, syscall.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
	case syscall.EAGAIN, syscall.EINTR:
		return 0
	default:
		s.handler.Refused(s, errno)
		return 0
	}
	in.used = min(packetBatch, int(r)+1)
	for i := range int(r) {
		packet := &p.batch[i]
		*packet = Packet{Data: p.data[i*packetSize:][:in.headers[i].size]}
		if !s.hasOnePeer {
			packet.From = rawAddrPort(&p.names[i])
		}
		readControl(p.control[i][:in.headers[i].header.Controllen], packet)
		st.Received += uint64(packet.Count())
	}
	return int(r)
}

// readControl takes what the system says beside a packet.
func readControl(b []byte, packet *Packet) {
	for len(b) >= syscall.SizeofCmsghdr {
		h := (*syscall.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < syscall.SizeofCmsghdr || size > len(b) {
			return
		}
		body := b[syscall.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(body) >= 4:
			packet.Segment = int(*(*int32)(unsafe.Pointer(&body[0])))
		case h.Level == syscall.IPPROTO_IP && h.Type == syscall.IP_PKTINFO && len(body) >= 12:
			packet.Local = netip.AddrFrom4([4]byte(body[8:]))
		case h.Level == syscall.IPPROTO_IPV6 && h.Type == syscall.IPV6_PKTINFO && len(body) >= 16:
			packet.Local = netip.AddrFrom16([16]byte(body)).Unmap()
		case h.Level == syscall.IPPROTO_IP && h.Type == unix.IP_RECVORIGDSTADDR && len(body) >= 8:
			packet.Local, packet.Port = netip.AddrFrom4([4]byte(body[4:])), binary.BigEndian.Uint16(body[2:])
		case h.Level == syscall.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVORIGDSTADDR && len(body) >= 24:
			packet.Local, packet.Port = netip.AddrFrom16([16]byte(body[8:])).Unmap(), binary.BigEndian.Uint16(body[2:])
		}
		b = b[min(len(b), syscall.CmsgSpace(size-syscall.CmsgLen(0))):]
	}
}

// Send sends a packet, from an own address if local is valid; to is invalid for the peer of a connected socket. It goes out when the handler
// that is running has returned, together with others: the bytes must stay as they are until then.
func (s *PacketSocket) Send(to netip.AddrPort, local netip.Addr, data []byte, segment int) {
	if s.closed || len(data) == 0 && s.net != nil {
		return
	}
	if s.net != nil {
		s.sendPortable(to, data, segment)
		return
	}
	s.queue(to, local, nil, data, segment)
}

// SendBehind sends the datagrams of a packet to the peer of a connected socket, each behind the bytes of head, which must stay as they are too.
func (s *PacketSocket) SendBehind(head, data []byte, segment int) {
	if s.closed {
		return
	}
	if s.net != nil {
		s.sendPortableBehind(head, data, segment)
		return
	}
	if segment <= 0 || segment > len(data) {
		segment = len(data)
	}
	for {
		piece := data[:min(segment, len(data))]
		s.queue(netip.AddrPort{}, netip.Addr{}, head, piece, 0)
		if data = data[len(piece):]; len(data) == 0 {
			return
		}
	}
}

// queue puts a packet into the outbox: head, which may be empty, and data.
func (s *PacketSocket) queue(to netip.AddrPort, local netip.Addr, head, data []byte, segment int) {
	p, size := s.loop.packets(), len(head)+len(data)
	if segment <= 0 || segment > size {
		segment = size
	}
	if s.pending && p.outbox[s.last].join(to, local, head, data, segment, p.noSegments) {
		return
	}
	i := len(p.outbox)
	if i < cap(p.outbox) {
		p.outbox = p.outbox[:i+1]
	} else {
		p.outbox = append(p.outbox, message{})
	}
	m := &p.outbox[i]
	*m = message{to: to, local: local, segment: segment, parts: m.parts[:0], next: -1}
	m.add(head, data)
	if s.pending {
		p.outbox[s.last].next = i
	} else {
		s.pending, s.first = true, i
		p.waiting = append(p.waiting, s)
	}
	s.last = i
}

// join reports whether the packet goes along with m: the system takes several of one size to one peer in one piece (UDP GSO), the last may be shorter.
func (m *message) join(to netip.AddrPort, local netip.Addr, head, data []byte, segment int, noSegments bool) bool {
	size := len(head) + len(data)
	if noSegments || m.isFull || segment != m.segment && !(size < m.segment && segment == size) || m.to != to || m.local != local ||
		size == 0 || m.segment == 0 || m.size+size > payloadMost || (m.size+size+m.segment-1)/m.segment > segmentsMost {
		return false
	}
	m.add(head, data)
	return true
}

func (m *message) add(head, data []byte) {
	if len(head) > 0 {
		m.parts = append(m.parts, iovec(head))
	}
	if len(data) > 0 || len(head) == 0 {
		m.parts = append(m.parts, iovec(data))
	}
	m.size += len(head) + len(data)
	m.isFull = m.segment > 0 && m.size%m.segment != 0
}

func iovec(b []byte) syscall.Iovec {
	part := syscall.Iovec{Base: unsafe.SliceData(b)}
	part.SetLen(len(b))
	return part
}

// flushPackets sends everything in the outbox.
func (l *Loop) flushPackets() {
	p := l.poller.packets
	if p == nil || len(p.waiting) == 0 {
		return
	}
	for i, s := range p.waiting {
		p.waiting[i] = nil
		s.flush(p)
	}
	p.waiting, p.outbox = p.waiting[:0], p.outbox[:0]
}

// Flush sends at once what was given to Send outside of a handler of packets.
func (s *PacketSocket) Flush() {
	if s.net == nil {
		s.loop.flushPackets()
	}
}

func (s *PacketSocket) flush(p *packets) {
	s.pending = false
	for at := s.first; at >= 0 && !s.closed; {
		n := 0
		for ; at >= 0 && n < packetBatch; n++ {
			s.fill(p, n, &p.outbox[at])
			at = p.outbox[at].next
		}
		s.give(p, n)
	}
}

// fill makes the system's form of a message.
func (s *PacketSocket) fill(p *packets, i int, m *message) {
	h := &p.out[i].header
	*h = syscall.Msghdr{}
	p.outOf[i] = m
	if len(m.parts) > 0 {
		h.Iov = &m.parts[0]
		h.Iovlen = uint64(len(m.parts))
	}
	if m.to.IsValid() {
		h.Name = (*byte)(unsafe.Pointer(&p.outNames[i]))
		h.Namelen = rawName(&p.outNames[i], m.to, s.is6)
	}
	control := p.outControl[i][:0]
	if m.size > m.segment {
		control = appendControl(control, unix.SOL_UDP, unix.UDP_SEGMENT, []byte{byte(m.segment), byte(m.segment >> 8)})
	}
	if m.local.IsValid() {
		control = s.appendLocal(control, m.local)
	}
	if len(control) > 0 {
		h.Control = &control[0]
		h.SetControllen(len(control))
	}
}

func (s *PacketSocket) appendLocal(control []byte, local netip.Addr) []byte {
	if !s.is6 {
		var info [12]byte
		from := local.Unmap().As4()
		copy(info[4:], from[:])
		return appendControl(control, syscall.IPPROTO_IP, syscall.IP_PKTINFO, info[:])
	}
	var info [20]byte
	from := local.As16()
	copy(info[:], from[:])
	return appendControl(control, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, info[:])
}

// appendControl appends to a buffer that has room.
func appendControl(b []byte, level, kind int32, body []byte) []byte {
	at := len(b)
	b = b[:at+syscall.CmsgSpace(len(body))]
	clear(b[at:])
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = level, kind
	h.SetLen(syscall.CmsgLen(len(body)))
	copy(b[at+syscall.CmsgLen(0):], body)
	return b
}

// give hands messages to the system; what it does not take is lost, as on any other hop.
func (s *PacketSocket) give(p *packets, n int) {
	st := &s.loop.Stats.Packets
	for done := 0; done < n && !s.closed; {
		st.SendCalls++
		r, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&p.out[done])), uintptr(n-done), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			for i := done; i < done+int(r); i++ {
				st.Sent += p.outOf[i].count()
			}
			done += int(r)
			continue
		}
		if errno == syscall.EINTR {
			continue
		}
		s.failed(p, done, errno)
		done++
	}
}

// count is how many datagrams the message is.
func (m *message) count() uint64 {
	if m.segment <= 0 {
		return 1
	}
	return uint64((m.size + m.segment - 1) / m.segment)
}

// failed settles a message that the system did not take. One that it cannot cut is sent in pieces.
func (s *PacketSocket) failed(p *packets, i int, errno syscall.Errno) {
	st, m := &s.loop.Stats.Packets, p.outOf[i]
	switch errno {
	case syscall.EIO, syscall.EINVAL, syscall.EMSGSIZE, syscall.EOPNOTSUPP:
		if m.count() > 1 {
			p.noSegments = p.noSegments || errno != syscall.EMSGSIZE
			s.sendApart(&p.out[i].header, m)
			return
		}
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		// An earlier datagram's answer, which this one paid for: it was not sent.
		if _, _, again := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&p.out[i])), 1, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0); again == 0 {
			st.Sent += m.count()
		} else {
			st.Dropped += m.count()
		}
		s.handler.Refused(s, errno)
		return
	}
	st.Dropped += m.count()
}

// sendApart sends the datagrams of a message one by one.
func (s *PacketSocket) sendApart(h *syscall.Msghdr, m *message) {
	var pieces []syscall.Iovec // of one datagram
	room := m.segment
	for i := range m.parts {
		for part := unsafe.Slice(m.parts[i].Base, int(m.parts[i].Len)); len(part) > 0; {
			n := min(room, len(part))
			pieces = append(pieces, iovec(part[:n]))
			part = part[n:]
			if room -= n; room == 0 {
				s.sendOne(h, pieces)
				pieces, room = pieces[:0], m.segment
			}
		}
	}
	if len(pieces) > 0 {
		s.sendOne(h, pieces)
	}
}

// sendOne sends a datagram to the message's peer.
func (s *PacketSocket) sendOne(h *syscall.Msghdr, pieces []syscall.Iovec) {
	one := syscall.Msghdr{Name: h.Name, Namelen: h.Namelen, Iov: &pieces[0], Iovlen: uint64(len(pieces))}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&one)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL); errno != 0 {
		s.loop.Stats.Packets.Dropped++
		return
	}
	s.loop.Stats.Packets.Sent++
}

// Loop is whose it is.
func (s *PacketSocket) Loop() *Loop { return s.loop }
