package engine

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestDoorwayIsOpenUntilItIsClosed(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		l := e.Loops()[0]
		doors, got := make(chan *Doorway, 1), make(chan error, 4)
		l.Call(func() {
			l.Go(runnerFunc(func() {
				d, err := l.OpenDoorway(netip.MustParseAddrPort("127.0.0.1:0"), false)
				if err != nil {
					t.Error(err)
					close(doors)
					return
				}
				_, err = d.Accept(20 * time.Millisecond)
				got <- err // nobody came
				doors <- d
				c, err := d.Accept(5 * time.Second)
				got <- err
				if err == nil {
					c.Write([]byte("x"))
					c.Close()
				}
				_, err = d.Accept(5 * time.Second)
				got <- err // closed meanwhile
			}))
		})
		d, ok := <-doors
		if !ok {
			return
		}
		if err := <-got; !errors.Is(err, ErrTimeout) {
			t.Errorf("nobody came: %v", err)
		}
		c := dial(t, d.At().String())
		if err := <-got; err != nil {
			t.Error(err)
		}
		if b, err := io.ReadAll(c); string(b) != "x" {
			t.Errorf("%q %v", b, err)
		}
		if other, err := net.Listen("tcp", d.At().String()); err == nil {
			other.Close()
			t.Error("two listen on one doorway")
		}
		l.Call(d.Close)
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("a closed doorway says %v", err)
		}
		if c, err := net.Dial("tcp", d.At().String()); err == nil {
			c.Close()
			t.Error("a closed doorway is open")
		}
	})
}

// answering sends back what comes, and notes what it was told.
type answering struct{ refused chan error }

func (a answering) Packets(s *PacketSocket, packets []Packet) {
	for i := range packets {
		p := &packets[i]
		s.Send(p.From, p.Local, p.Data, p.Segment)
	}
}

func (a answering) Refused(_ *PacketSocket, err error) {
	select {
	case a.refused <- err:
	default:
	}
}

// Replies come from the address that was asked, also where the socket is bound to all.
func TestRepliesComeFromWhereTheyWereAsked(t *testing.T) {
	e, err := New(Config{Loops: 2, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, at := range []string{"0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[::1]:0"} {
		ln, err := e.ListenPackets(Address{IP: netip.MustParseAddrPort(at), IsDatagram: true}, ListenConfig{}, func(*Loop) PacketHandler { return answering{make(chan error, 1)} })
		if err != nil {
			t.Fatal(err)
		}
		port := ln.Address.IP.Port()
		asked := []string{"127.0.0.1", "127.0.0.7", "::1"}
		switch at {
		case "0.0.0.0:0":
			asked = asked[:2]
		case "127.0.0.1:0":
			asked = asked[:1]
		case "[::1]:0":
			asked = asked[2:]
		}
		for _, ip := range asked {
			c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(ip), Port: int(port)}) // connected: takes replies from there alone
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(2 * time.Second))
			c.Write([]byte("hello"))
			b := make([]byte, 100)
			if n, err := c.Read(b); string(b[:n]) != "hello" {
				t.Errorf("listening on %s, asked at %s: %q %v", at, ip, b[:n], err)
			}
			c.Write(nil)
			if n, err := c.Read(b); n != 0 || err != nil {
				t.Errorf("an empty datagram: %d %v", n, err)
			}
			c.Close()
		}
		ln.Close()
	}
}

func TestConnectedSocketIsToldThatNobodyListens(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		gone, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		to := netip.MustParseAddrPort(gone.LocalAddr().String())
		gone.Close()
		l, refused := e.Loops()[0], make(chan error, 1)
		var s *PacketSocket
		l.Call(func() {
			if s, err = l.DialPackets(to, PacketDial{}, answering{refused}); err == nil {
				s.Send(netip.AddrPort{}, netip.Addr{}, []byte("x"), 0)
				s.Flush()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-refused:
		case <-time.After(5 * time.Second):
			t.Error("nothing was said")
		}
		l.Call(s.Close)
	})
}
