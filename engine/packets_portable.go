package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
)

// portableSocket is what a socket of UDP is on goroutines.
type portableSocket struct{ net *net.UDPConn }

func (e *Engine) listenPacketsPortable(address Address, handler func(l *Loop) PacketHandler) (*Listener, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address.IP))
	if err != nil {
		return nil, err
	}
	ln := &Listener{Address: address, engine: e}
	ln.Address.IP = netip.AddrPortFrom(address.IP.Addr(), netAddrPort(c.LocalAddr()).Port())
	l := e.loops[0]
	s := &PacketSocket{loop: l, portableSocket: portableSocket{c}}
	l.Call(func() { s.handler = handler(l) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.readPortable()
	}()
	ln.close = func() { c.Close(); <-done }
	return ln, nil
}

func (l *Loop) dialPacketsPortable(to netip.AddrPort, h PacketHandler) (*PacketSocket, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	s := &PacketSocket{loop: l, handler: h, portableSocket: portableSocket{c}}
	l.Stats.Open++
	go s.readPortable()
	return s, nil
}

// readPortable takes datagram after datagram until the socket is closed.
func (s *PacketSocket) readPortable() {
	buf := make([]byte, 64<<10)
	st := &s.loop.Stats.Packets
	for {
		n, from, err := s.net.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.loop.portable.do(func() {
			switch {
			case s.closed:
			case err != nil:
				s.handler.Refused(s, refusal(err))
			default:
				st.Received++
				one := [1]Packet{{Data: buf[:n], From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}}
				s.handler.Packets(s, one[:])
			}
		}, nil)
	}
}

// refusal is the system's own error.
func refusal(err error) error {
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}

func (s *PacketSocket) sendPortable(to netip.AddrPort, data []byte, segment int) {
	if segment <= 0 {
		segment = max(1, len(data))
	}
	st := &s.loop.Stats.Packets
	for ; len(data) > 0; data = data[min(segment, len(data)):] {
		piece := data[:min(segment, len(data))]
		var err error
		if to.IsValid() {
			_, err = s.net.WriteToUDPAddrPort(piece, to)
		} else {
			_, err = s.net.Write(piece)
		}
		switch {
		case err == nil:
			st.Sent++
		case errors.Is(err, syscall.ECONNREFUSED):
			st.Dropped++
			s.handler.Refused(s, syscall.ECONNREFUSED)
		default:
			st.Dropped++
		}
	}
}

func (s *PacketSocket) sendPortableBehind(head, data []byte, segment int) {
	if segment <= 0 || segment > len(data) {
		segment = len(data)
	}
	for {
		n := min(segment, len(data))
		s.sendPortable(netip.AddrPort{}, slices.Concat(head, data[:n]), 0)
		if data = data[n:]; len(data) == 0 {
			return
		}
	}
}

func (s *PacketSocket) closePortable() {
	s.closed = true
	s.net.Close()
	s.loop.Stats.Open--
}
