package faults

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/test/peers"
)

// A connection without a request is closed at timeouts.idle: not before, and not after twice as long because two of weir's waits add up.
func TestIdleClientsAreClosedInTime(t *testing.T) {
	certificate, err := peers.NewCertificate(t.TempDir(), "idle.test")
	if err != nil {
		t.Fatal(err)
	}
	const idle = 1500 * time.Millisecond
	s := start(t, fmt.Sprintf(`
listeners:
  front: { address: "FRONT", timeouts: { idle: %[1]v } }
  second: { address: "SECOND", timeouts: { idle: %[1]v }, tls: { certificates: [{ cert: %[2]s, key: %[3]s }] } }
pools: { web: { servers: [%[4]q] } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, idle, certificate.Cert, certificate.Key, origin(t, "web")))
	for name, open := range map[string]func() (net.Conn, *http2.Framer){
		"clear, HTTP/1.1": func() (net.Conn, *http2.Framer) { return oneByHTTP1(t, plainly(t, s.address["FRONT"])) },
		"clear, HTTP/2":   func() (net.Conn, *http2.Framer) { return oneByHTTP2(t, plainly(t, s.address["FRONT"])) },
		"TLS, HTTP/1.1":   func() (net.Conn, *http2.Framer) { return oneByHTTP1(t, securely(t, s.address["SECOND"], "http/1.1")) },
		"TLS, HTTP/2":     func() (net.Conn, *http2.Framer) { return oneByHTTP2(t, securely(t, s.address["SECOND"], "h2")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, f := open()
			began := time.Now()
			err := untilClosed(c, f)
			if took := time.Since(began); err != nil || took < idle-100*time.Millisecond || took > idle+idle/2 {
				t.Errorf("closed after %v (%v), want %v", took, err, idle)
			}
		})
	}
}

// untilClosed reads until the connection ends.
func untilClosed(c net.Conn, f *http2.Framer) error {
	for f != nil {
		frame, err := f.ReadFrame()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if ping, is := frame.(*http2.PingFrame); is && !ping.IsAck() {
			f.WritePing(true, ping.Data)
		}
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

// A reload that changes the time holds for connections that are there, from their next request on.
func TestAnotherIdleTimeHoldsFromTheNextRequestOn(t *testing.T) {
	web := origin(t, "web")
	config := func(idle time.Duration) string {
		return fmt.Sprintf(`
listeners: { front: { address: "FRONT", timeouts: { idle: %v } } }
pools: { web: { servers: [%q] } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, idle, web)
	}
	s := start(t, config(time.Minute))
	byHTTP1, _ := oneByHTTP1(t, plainly(t, s.address["FRONT"]))
	byHTTP2, f := oneByHTTP2(t, plainly(t, s.address["FRONT"]))
	s.write(config(time.Second))
	s.reload(reloaded)
	oneByHTTP1(t, byHTTP1)
	askByHTTP2(t, f, 3)
	began := time.Now()
	for name, err := range map[string]error{"HTTP/1.1": untilClosed(byHTTP1, nil), "HTTP/2": untilClosed(byHTTP2, f)} {
		if took := time.Since(began); err != nil || took > 2500*time.Millisecond {
			t.Errorf("%s: closed after %v (%v), want a second", name, took, err)
		}
	}
}

func plainly(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

func securely(t *testing.T, address, protocol string) net.Conn {
	t.Helper()
	c := tls.Client(plainly(t, address), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// oneByHTTP1 has one request answered.
func oneByHTTP1(t *testing.T, c net.Conn) (net.Conn, *http2.Framer) {
	t.Helper()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: idle.test\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	return c, nil
}

// oneByHTTP2 is oneByHTTP1 with a client that says no more than it must.
func oneByHTTP2(t *testing.T, c net.Conn) (net.Conn, *http2.Framer) {
	t.Helper()
	io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	f.WriteSettings()
	askByHTTP2(t, f, 1)
	return c, f
}

// askByHTTP2 has a request answered on a stream.
func askByHTTP2(t *testing.T, f *http2.Framer, id uint32) {
	t.Helper()
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: []byte{0x82, 0x86, 0x84, 0x01, 1, 'a'}})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if s, is := frame.(*http2.SettingsFrame); is && !s.IsAck() {
			f.WriteSettingsAck()
		}
		if frame.Header().StreamID == id && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return
		}
	}
}
