package listener

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"
)

// echoing has a socket serve connections of QUIC that begin with the name of who has them and send back what comes.
func echoing(t *testing.T, s *quicSocket, name string) {
	t.Helper()
	tr := &quicgo.Transport{Conn: s, ConnectionIDGenerator: s}
	ln, err := tr.Listen(&tls.Config{Certificates: []tls.Certificate{keyPair(t)}, NextProtos: []string{"echo"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(); s.Close() })
	go func() {
		for {
			c, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				stream, err := c.AcceptStream(context.Background())
				if err == nil {
					io.WriteString(stream, name)
					io.Copy(stream, stream)
				}
			}()
		}
	}()
}

// talker is a client's stream, and who has answered it.
type talker struct {
	*quicgo.Stream
	by string
}

func talkTo(t *testing.T, at net.Addr) talker {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	c, err := quicgo.DialAddr(ctx, at.String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0, "") })
	s, err := c.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	k := talker{Stream: s}
	k.says(t, "hello")
	return k
}

// says wants back what it sends, the first time with a name before.
func (k *talker) says(t *testing.T, text string) {
	t.Helper()
	k.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(k, text)
	if k.by == "" {
		var name [1]byte
		if _, err := io.ReadFull(k, name[:]); err != nil {
			t.Fatal(err)
		}
		k.by = string(name[:])
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(k, got); err != nil || string(got) != text {
		t.Fatalf("the connection of %s: %q, %v", k.by, got, err)
	}
}

// succeed has another socket take over, as another process does.
func succeed(t *testing.T, s *quicSocket) (*quicSocket, *QUIC) {
	t.Helper()
	q := &QUIC{socket: s}
	p, err := q.Pass()
	if err != nil {
		t.Fatal(err)
	}
	q.Leave()
	file, err := s.File() // a descriptor of its own, as one has that comes from another process
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c, err := net.FilePacketConn(file)
	if err != nil {
		t.Fatal(err)
	}
	before := &predecessor{}
	for _, tag := range p.Tags {
		before.tags = append(before.tags, quicTag(tag))
	}
	if before.quicSuccession, err = successionOf(p.Succession); err != nil {
		t.Fatal(err)
	}
	return newQUICSocket(c.(*net.UDPConn), before), q
}

func TestConnectionsOutlastWhoReadsTheirSocket(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::]:0"} {
		a, err := openQUICSocket(netip.MustParseAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		address := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.LocalAddr().(*net.UDPAddr).Port}
		echoing(t, a, "a")
		all := []*talker{}
		talk := func(by string) {
			t.Helper()
			k := talkTo(t, address)
			if k.by != by {
				t.Errorf("%s has a new connection, not %s", k.by, by)
			}
			all = append(all, &k)
			for _, k := range all {
				k.says(t, "still here")
				k.says(t, string(bytes.Repeat([]byte("much"), 50_000)))
			}
		}
		talk("a")
		b, _ := succeed(t, a)
		echoing(t, b, "b")
		talk("b")
		c, _ := succeed(t, b)
		echoing(t, c, "c")
		talk("c")
		talk("c")
	}
}

func TestASocketIsReadAgainWhenTheOtherDoesNot(t *testing.T) {
	a, err := openQUICSocket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	echoing(t, a, "a")
	k := talkTo(t, a.LocalAddr())
	for range 3 {
		b, q := succeed(t, a)
		b.Close() // nobody has read it
		q.Keep()
		k.says(t, "hello")
		if other := talkTo(t, a.LocalAddr()); other.by != "a" {
			t.Error(other.by)
		}
	}
}

func TestTagsOfPackets(t *testing.T) {
	id := "\x01\x02\x03random!"
	for name, c := range map[string]struct {
		packet string
		ok     bool
	}{
		"short header":                  {"\x40" + id + "rest", true},
		"short header, nothing follows": {"\x40" + id, true},
		"short header, cut":             {"\x40" + id[:9], false},
		"long header":                   {"\xe0\x00\x00\x00\x01\x0a" + id + "\x00rest", true},
		"long header, a client's ID":    {"\xc0\x00\x00\x00\x01\x08" + id[:8] + "\x00rest of it", false},
		"long header, cut":              {"\xe0\x00\x00\x00\x01\x0a" + id[:9], false},
		"long header, no length":        {"\xe0\x00\x00\x00\x01", false},
		"nothing":                       {"", false},
	} {
		tag, ok := tagOf([]byte(c.packet))
		if ok != c.ok || ok && tag != quicTag([]byte(id[:3])) {
			t.Errorf("%s: %x, %v", name, tag, ok)
		}
	}
}

func TestPacketsArePassedOnAsTheyCame(t *testing.T) {
	ours, theirs, err := newSuccession()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.conn.Close()
	to, err := successionOf(theirs)
	if err != nil {
		t.Fatal(err)
	}
	scratch := make([]byte, passedMost)
	for _, from := range []*net.UDPAddr{{IP: net.IPv4(10, 0, 0, 1).To4(), Port: 65535}, {IP: net.ParseIP("fe80::1"), Port: 443, Zone: "eth0"}} {
		said := ipv4.Message{Buffers: [][]byte{bytes.Repeat([]byte("p"), 1452)}, OOB: []byte("of the system"), N: 1452, NN: 13, Addr: from}
		if err := to.write(&said, scratch); err != nil {
			t.Fatal(err)
		}
		heard := ipv4.Message{Buffers: [][]byte{make([]byte, 1452)}, OOB: make([]byte, 128)}
		if n, err := ours.read(&heard, scratch); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		got := heard.Addr.(*net.UDPAddr)
		if !bytes.Equal(heard.Buffers[0][:heard.N], said.Buffers[0]) || string(heard.OOB[:heard.NN]) != "of the system" || got.String() != from.String() || len(got.IP) != len(from.IP) {
			t.Errorf("%d bytes, %q, from %v, not %v", heard.N, heard.OOB[:heard.NN], got, from)
		}
	}
	// Who does not keep up loses packets, and who has ended is not written to any more.
	said := ipv4.Message{Buffers: [][]byte{make([]byte, 1400)}, N: 1400, Addr: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1).To4()}}
	for range 20_000 {
		if err := to.write(&said, scratch); err != nil {
			t.Fatal(err)
		}
	}
	ours.conn.Close()
	if err := to.write(&said, scratch); err == nil {
		t.Error("nobody is there")
	}
}
