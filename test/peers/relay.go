package peers

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Distance starts a relay to the address whose bytes arrive after the delay, each way, however many they are, and returns its address. It stands for a link that is
// long and wide.
func Distance(t testing.TB, to string, delay time.Duration) string {
	t.Helper()
	address, stop, err := Far(to, delay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return address
}

// Far is Distance outside of a test; stop ends it.
func Far(to string, delay time.Duration) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			var done sync.WaitGroup
			done.Go(func() { late(far, near, delay) })
			done.Go(func() { late(near, far, delay) })
			go func() { done.Wait(); near.Close(); far.Close() }()
		}
	}()
	return l.Addr().String(), func() { l.Close() }, nil
}

// onItsWay is a piece, and when it arrives.
type onItsWay struct {
	bytes []byte
	at    time.Time
}

// late copies with the delay. 64 MiB may be on their way, in pieces of 64 KiB.
func late(to, from net.Conn, delay time.Duration) {
	way := make(chan onItsWay, 1024)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- onItsWay{b[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.bytes); err != nil {
			from.Close()
			for range way {
			}
			return
		}
	}
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}

// FarPackets is Far for datagrams. As many as fit into the sockets' buffers are lost by nobody.
func FarPackets(to string, delay time.Duration) (address string, stop func(), err error) {
	server, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		return "", nil, err
	}
	near, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", nil, err
	}
	near.SetReadBuffer(8 << 20)
	near.SetWriteBuffer(8 << 20)
	r := &packetRelay{near: near, server: server, delay: delay, ways: map[netip.AddrPort]chan onItsWay{}}
	go r.run()
	return near.LocalAddr().String(), r.close, nil
}

// packetRelay has a socket towards the server for each client.
type packetRelay struct {
	near   *net.UDPConn
	server *net.UDPAddr
	delay  time.Duration
	ways   map[netip.AddrPort]chan onItsWay // to the server; of run alone
	mu     sync.Mutex
	far    []*net.UDPConn
}

func (r *packetRelay) run() {
	defer func() {
		for _, way := range r.ways {
			close(way)
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, from, err := r.near.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		way := r.ways[from]
		if way == nil {
			if way, err = r.open(from); err != nil {
				continue
			}
			r.ways[from] = way
		}
		send(way, b[:n], r.delay)
	}
}

// open begins to carry the datagrams of a client, both ways.
func (r *packetRelay) open(client netip.AddrPort) (chan onItsWay, error) {
	far, err := net.DialUDP("udp", nil, r.server)
	if err != nil {
		return nil, err
	}
	far.SetReadBuffer(8 << 20)
	far.SetWriteBuffer(8 << 20)
	r.mu.Lock()
	r.far = append(r.far, far)
	r.mu.Unlock()
	there, back := make(chan onItsWay, packetsOnTheirWay), make(chan onItsWay, packetsOnTheirWay)
	go arrive(there, func(b []byte) { far.Write(b) })
	go arrive(back, func(b []byte) { r.near.WriteToUDPAddrPort(b, client) })
	go func() {
		defer close(back)
		b := make([]byte, 64<<10)
		for {
			n, err := far.Read(b)
			if err != nil {
				return
			}
			send(back, b[:n], r.delay)
		}
	}()
	return there, nil
}

func (r *packetRelay) close() {
	r.near.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.far {
		c.Close()
	}
}

const packetsOnTheirWay = 1 << 16

// send puts a datagram on its way, if there is room.
func send(way chan onItsWay, b []byte, delay time.Duration) {
	select {
	case way <- onItsWay{append([]byte(nil), b...), time.Now().Add(delay)}:
	default:
	}
}

// arrive gives away what has come.
func arrive(way chan onItsWay, give func(b []byte)) {
	for p := range way {
		time.Sleep(time.Until(p.at))
		give(p.bytes)
	}
}
