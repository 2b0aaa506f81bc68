package listener

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/test/peers"
)

// keyPair is a certificate for localhost, with its key.
func keyPair(t *testing.T) tls.Certificate {
	t.Helper()
	certificate, err := peers.NewCertificate(t.TempDir(), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certificate.Cert, certificate.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// resetting opens a socket that answers what is nobody's, with a server of QUIC behind it.
func resetting(t *testing.T, at string, key *[32]byte) (*quicSocket, *quicgo.Transport) {
	t.Helper()
	s, err := openQUICSocket(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	own := resetKeyAt(key, s.LocalAddr())
	s.resets = &quicResets{key: *own}
	tr := &quicgo.Transport{Conn: s, ConnectionIDGenerator: s, StatelessResetKey: (*quicgo.StatelessResetKey)(own)}
	if _, err := tr.Listen(&tls.Config{Certificates: []tls.Certificate{keyPair(t)}, NextProtos: []string{"x"}}, &quicgo.Config{MaxIdleTimeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(); s.Close() })
	return s, tr
}

// Clients whose only packets are PINGs, smaller than any that quic-go answers, hear of a crash as well.
func TestClientsOfAProcessThatIsGoneAreTold(t *testing.T) {
	key := &[32]byte{1, 2, 3}
	for _, host := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0"} {
		before, _ := resetting(t, host, key)
		at := before.LocalAddr().(*net.UDPAddr)
		to := *at
		if to.IP.IsUnspecified() {
			to.IP = net.IPv4(127, 0, 0, 1)
		}
		c, err := quicgo.DialAddr(context.Background(), to.String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"x"}}, &quicgo.Config{MaxIdleTimeout: time.Minute, KeepAlivePeriod: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		before.UDPConn.Close() // as a process that is killed
		resetting(t, at.String(), key)
		select {
		case <-c.Context().Done():
			var reset *quicgo.StatelessResetError
			if err := context.Cause(c.Context()); !errors.As(err, &reset) {
				t.Errorf("%s: %v", host, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the client has not heard of it", host)
		}
		c.CloseWithError(0, "")
	}
}

// A packet that comes to another address of weir must not be answered by the token of a connection.
func TestAnotherAddressDoesNotTellTheToken(t *testing.T) {
	key := &[32]byte{1, 2, 3}
	one, _ := resetting(t, "127.0.0.1:0", key)
	two, _ := resetting(t, "127.0.0.1:0", key)
	id, _ := one.GenerateConnectionID()
	packet := append([]byte{0x40}, id.Bytes()...)
	packet = append(packet, make([]byte, 60)...)
	ask := func(s *quicSocket) []byte {
		c, err := net.Dial("udp", s.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(packet)
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		b := make([]byte, 2000)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[n-16 : n]
	}
	a, b := ask(one), ask(two)
	if bytes.Equal(a, b) {
		t.Error("both addresses have the same token")
	}
	if want := one.resets.token(id.Bytes()); !bytes.Equal(a, want) {
		t.Errorf("quic-go's token is %x, ours %x", a, want)
	}
}

func TestResetsAreSmallerThanWhatTheyAnswerAndBounded(t *testing.T) {
	r := &quicResets{}
	now := time.Now()
	for n := range 1500 {
		packet := make([]byte, n)
		if n > 0 {
			packet[0] = 0x40
		}
		got := r.answer(packet, now)
		if want := min(n-1, resetMost); n <= resetLeast && got != nil || n > resetLeast && (len(got) != want || got[0]&0xc0 != 0x40) {
			t.Errorf("a packet of %d bytes is answered by %d", n, len(got))
		}
		if n > resetLeast {
			packet[0] = 0xc0
			if r.answer(packet, now) != nil {
				t.Error("a packet with a long header is answered")
			}
		}
	}
	packet := make([]byte, 100)
	sent := 0
	for range 3 * resetsPerSec {
		if r.answer(packet, now) != nil {
			sent++
		}
	}
	if sent == 0 || sent > resetsPerSec {
		t.Errorf("%d resets in a second", sent)
	}
	if r.answer(packet, now.Add(time.Second)) == nil {
		t.Error("no reset in the next second")
	}
}
