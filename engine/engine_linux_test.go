package engine

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func TestSplicedBytesAreTheSame(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const size = 20 << 20
	body := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(body)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		c, err := server.Accept()
		if err == nil {
			c.Write(body)
			c.Close()
		}
	}()
	to := Address{IP: netip.MustParseAddrPort(server.Addr().String())}
	moved := make(chan int64, 1)
	address := listen(t, e, handlerFunc(func(c Conn) {
		s, err := c.Loop().Dial(to, DialOptions{Timeout: time.Second})
		if err != nil {
			t.Error(err)
			return
		}
		n := int64(0)
		for n < size {
			k, err := Splice(c, s, size-n)
			if n += k; err != nil {
				t.Error(err)
				break
			}
		}
		s.Close()
		c.Close()
		moved <- n
	}))
	c := dial(t, address)
	h := sha256.New()
	n, err := io.Copy(h, c)
	if err != nil || n != size || <-moved != size || [32]byte(h.Sum(nil)) != sha256.Sum256(body) {
		t.Errorf("got %d bytes, %v, or other bytes than were sent", n, err)
	}
}

func TestAResetClientInterruptsTheServerLinkedToIt(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	to := Address{IP: netip.MustParseAddrPort(silent.Addr().String())}
	result := make(chan error, 1)
	waiting := make(chan struct{})
	address := listen(t, e, handlerFunc(func(c Conn) {
		s, err := c.Loop().Dial(to, DialOptions{Timeout: time.Second})
		if err != nil {
			result <- err
			return
		}
		c.Watch(hangup{s})
		close(waiting)
		_, err = s.Read(make([]byte, 1))
		s.Close()
		c.Close()
		result <- err
	}))
	c := dial(t, address)
	<-waiting
	c.SetLinger(0)
	c.Close()
	select {
	case err := <-result:
		if err != ErrInterrupted {
			t.Errorf("got %v, want interrupted", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the exchange still waits for the server of a client that is gone")
	}
}

func TestAnAddressIsListenedOnByOneEngineOnly(t *testing.T) {
	first, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	address := listen(t, first, handlerFunc(echo))
	if ln, err := second.Listen(Address{IP: netip.MustParseAddrPort(address)}, ListenConfig{}, handlerFunc(echo)); err == nil {
		ln.Close()
		t.Error("two engines share an address: each gets half of the clients")
	}
}

func TestClientsGoToTheLoopWithTheFewestClientsWhateverElseItHolds(t *testing.T) {
	e, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts for it
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	to := Address{IP: netip.MustParseAddrPort(silent.Addr().String())}
	e.loops[0].Call(func() {
		e.loops[0].Go(runnerFunc(func() {
			for range 200 {
				if _, err := e.loops[0].Dial(to, DialOptions{Timeout: time.Second}); err != nil {
					t.Error(err)
				}
			}
		}))
	})
	settled := func(done func() bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("accepted %d and %d, open %d and %d", e.loops[0].accepted.Load(), e.loops[1].accepted.Load(), e.loops[0].openSeen.Load(), e.loops[1].openSeen.Load())
			}
		}
	}
	settled(func() bool { return e.loops[0].openSeen.Load() == 200 })
	address := listen(t, e, handlerFunc(func(c Conn) {
		var one [1]byte
		c.Read(one[:])
		c.Close()
	}))
	var clients []net.Conn
	for range 64 {
		clients = append(clients, dial(t, address))
	}
	settled(func() bool { return e.Open() == 200+64 })
	if a, b := e.loops[0].accepted.Load(), e.loops[1].accepted.Load(); a+b != 64 || max(a, b) > min(a, b)+min(a, b)/8+9 {
		t.Errorf("%d and %d of 64 clients", a, b)
	}
	for _, c := range clients {
		c.Close()
	}
	settled(func() bool { return e.loops[0].accepted.Load() == 0 && e.loops[1].accepted.Load() == 0 })
}

func TestSpliceSaysWhoseEndFailed(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		c, err := server.Accept()
		if err == nil {
			io.CopyN(c, zeros{}, 64<<20)
			c.Close()
		}
	}()
	to := Address{IP: netip.MustParseAddrPort(server.Addr().String())}
	result := make(chan error, 1)
	address := listen(t, e, handlerFunc(func(c Conn) {
		s, err := c.Loop().Dial(to, DialOptions{Timeout: time.Second})
		if err != nil {
			result <- err
			return
		}
		for err == nil {
			c.SetWriteTimeout(100 * time.Millisecond)
			_, err = Splice(c, s, 1<<20)
		}
		s.Close()
		c.Close()
		result <- err
	}))
	dial(t, address) // and does not read
	var write *SpliceWriteError
	if err := <-result; !errors.As(err, &write) || write.Err != ErrTimeout {
		t.Errorf("a client that does not read: got %v", err)
	}
}

func TestAFastPeerDoesNotKeepTheLoop(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	address := listen(t, e, handlerFunc(func(c Conn) {
		defer c.Close()
		buf := make([]byte, 4<<10) // a peer is faster than reads this small
		ran := false
		c.Loop().Post(func() { ran = true })
		for read := 0; read < 8<<20; {
			n, err := c.Read(buf)
			if err != nil {
				t.Error(err)
				return
			}
			read += n
		}
		if !ran {
			t.Error("nothing else had its turn while 8 MiB were read")
		}
	}))
	c := dial(t, address)
	go io.CopyN(c, zeros{}, 8<<20)
	c.Read(make([]byte, 1))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAConnectionMovesToAnotherLoopWithWhatWaitsInIt(t *testing.T) {
	e, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, b := e.Loops()[0], e.Loops()[1]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed := make(chan Conn)
	a.Post(func() {
		a.Go(runnerFunc(func() {
			c, err := a.Dial(Address{IP: netip.MustParseAddrPort(l.Addr().String())}, DialOptions{Timeout: time.Second})
			if err != nil {
				t.Error(err)
			}
			dialed <- c
		}))
	})
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c := <-dialed
	io.WriteString(peer, "early")
	moved := make(chan *Moving)
	a.Post(func() { moved <- Leave(c) })
	m := <-moved
	if m == nil {
		t.Fatal("it stays")
	}
	done := make(chan error)
	b.Post(func() {
		b.Go(runnerFunc(func() {
			c, err := b.Settle(m)
			if err == nil {
				var early [5]byte
				if _, err = c.Read(early[:]); err == nil {
					_, err = c.Write(early[:])
				}
			}
			done <- err
			if err == nil {
				_, err = c.Read(make([]byte, 1)) // the next event comes to this loop
				c.Close()
				done <- err
			}
		}))
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var echo [5]byte
	if _, err := io.ReadFull(peer, echo[:]); err != nil || string(echo[:]) != "early" {
		t.Errorf("%q, %v", echo, err)
	}
	io.WriteString(peer, "x")
	if err := <-done; err != nil {
		t.Error(err)
	}
	open := make(chan int64)
	a.Post(func() { open <- a.Stats.Open })
	if n := <-open; n != 0 {
		t.Errorf("its old loop has %d connections", n)
	}
	if n, err := peer.Read(echo[:]); n != 0 || err != io.EOF {
		t.Errorf("its end: %d, %v", n, err)
	}
}

// hangup interrupts another connection when the watched one is lost.
type hangup struct{ other Conn }

func (h hangup) Changed(what Change) {
	if what == Gone {
		h.other.Interrupt()
	}
}

// Both ends of every connection of TCP are probed when they are silent, and lost when their peer confirms nothing.
func TestVanishedPeersAreFoundOut(t *testing.T) {
	type found struct{ accepted, dialed [4]int }
	options := func(c Conn) (got [4]int) {
		fd := c.(*epollConn).fd
		for i, o := range [...][2]int{{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
			{syscall.IPPROTO_TCP, tcpUserTimeout}} {
			got[i], _ = syscall.GetsockoptInt(fd, o[0], o[1])
		}
		return got
	}
	e, err := New(Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	at := make(chan Address, 1)
	done := make(chan found, 1)
	ln, err := e.Listen(Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, ListenConfig{}, serving(func(c Conn) {
		if b := make([]byte, 1); true {
			c.Read(b)
			if b[0] == 'x' { // the one that this one has dialed
				c.Close()
				return
			}
		}
		d, err := c.Loop().Dial(<-at, DialOptions{Timeout: time.Second})
		if err != nil {
			t.Error(err)
			return
		}
		WatchPeer(d)
		done <- found{options(c), options(d)}
		d.Write([]byte("x"))
		d.Close()
		c.Close()
	}))
	if err != nil {
		t.Fatal(err)
	}
	at <- ln.Address
	client, err := net.Dial("tcp", ln.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Write([]byte("a"))
	want := [4]int{1, keepAliveIdle, keepAliveEvery, vanishedAfter}
	if got := <-done; got.accepted != want || got.dialed != want {
		t.Errorf("accepted %v, dialed %v, want %v", got.accepted, got.dialed, want)
	}
}

// serving is a handler.
type serving func(Conn)

func (s serving) Serve(c Conn) { s(c) }
