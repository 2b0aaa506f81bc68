package hostile

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// spoofer sends packets from addresses that are nobody's, by a raw socket: of 127.9.0.0/16, so that they stay on this machine.
type spoofer struct {
	fd int
	to netip.AddrPort
	n  uint32
	b  []byte
}

func newSpoofer(to string) (*spoofer, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	return &spoofer{fd: fd, to: netip.MustParseAddrPort(to)}, err
}

func (p *spoofer) close() { syscall.Close(p.fd) }

// send sends a packet of the protocol from the next address and port; fill writes what follows the ports.
func (p *spoofer) send(protocol byte, size int, fill func(from [4]byte, port uint16, b []byte)) error {
	p.n++
	from, port := [4]byte{127, 9, byte(p.n >> 8), byte(p.n)}, uint16(1024+p.n*7919%60000)
	p.b = append(p.b[:0], make([]byte, 20+size)...)
	b := p.b
	b[0], b[8], b[9] = 0x45, 64, protocol
	copy(b[12:], from[:])
	to := p.to.Addr().As4()
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[20:], port)
	binary.BigEndian.PutUint16(b[22:], p.to.Port())
	fill(from, port, b[20:])
	return syscall.Sendto(p.fd, b, 0, &syscall.SockaddrInet4{Addr: to})
}

// datagram sends one.
func (p *spoofer) datagram(data []byte) error {
	return p.send(syscall.IPPROTO_UDP, 8+len(data), func(_ [4]byte, _ uint16, b []byte) {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		copy(b[8:], data)
	})
}

// spoofed floods a listener with datagrams of senders that there are not.
func (s *scene) spoofed(listener string, data []byte) error {
	p, err := newSpoofer(s.at[listener])
	if err != nil {
		return err
	}
	defer p.close()
	for s.goesOn() {
		if err := p.datagram(data); err == nil {
			s.sent.Add(int64(len(data)))
		}
	}
	return nil
}

// flood floods a listener with datagrams of one sender.
func (s *scene) flood(listener string, size int) error {
	c, err := net.Dial("udp", s.at[listener])
	if err != nil {
		return err
	}
	defer c.Close()
	for b := make([]byte, size); s.goesOn(); {
		if n, err := c.Write(b); err == nil {
			s.sent.Add(int64(n))
		}
	}
	return nil
}

// halfOpen sends the first packet of TCP's handshake, and not the third.
func (s *scene) halfOpen(listener string) error {
	p, err := newSpoofer(s.at[listener])
	if err != nil {
		return err
	}
	defer p.close()
	for s.goesOn() {
		p.send(syscall.IPPROTO_TCP, 20, func(from [4]byte, _ uint16, b []byte) {
			binary.BigEndian.PutUint32(b[4:], uint32(time.Now().UnixNano()))
			b[12], b[13] = 5<<4, 2 // SYN
			binary.BigEndian.PutUint16(b[14:], 65535)
			to := p.to.Addr().As4()
			binary.BigEndian.PutUint16(b[16:], checksum(append(append(append([]byte{}, from[:]...), to[:]...), 0, 6, 0, 20), b))
		})
		s.sent.Add(40)
	}
	return nil
}

// checksum is that of RFC 9293 section 3.1, over the pseudo header and the segment.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(binary.BigEndian.Uint16(b))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
