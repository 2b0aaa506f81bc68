package http2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/websocket"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

// nodeEcho answers extended CONNECT (RFC 8441) on HTTP/2 in clear and gives back what it gets, and WebSocket frames likewise: their payload unmasked.
const nodeEcho = `
const http2 = require('http2');
const server = http2.createServer({settings: {enableConnectProtocol: true}});
server.on('stream', (stream, headers) => {
  if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket' || headers['sec-websocket-key']) {
    stream.respond({':status': 400}, {endStream: true});
    return;
  }
  stream.respond({':status': 200});
  let rest = Buffer.alloc(0);
  stream.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    for (;;) {
      if (rest.length < 2) return;
      let at = 2, length = rest[1] & 127;
      if (length === 126) { if (rest.length < 4) return; length = rest.readUInt16BE(2); at = 4; }
      else if (length === 127) { if (rest.length < 10) return; length = Number(rest.readBigUInt64BE(2)); at = 10; }
      if (rest.length < at + 4 + length) return;
      const mask = rest.subarray(at, at + 4), payload = Buffer.from(rest.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
      const head = Buffer.from(rest.subarray(0, at));
      head[1] &= 127;
      stream.write(Buffer.concat([head, payload]));
      rest = rest.subarray(at + 4 + length);
    }
  });
  stream.on('end', () => stream.end());
  stream.on('error', () => {});
});
server.on('sessionError', () => {});
const [host, port] = process.argv[2].split(':');
server.listen(Number(port), host);
`

// webSocketServers are one that knows HTTP/1.1 alone and one that knows HTTP/2 alone.
func webSocketServers(t *testing.T) map[string]string {
	h1 := serve(t, websocket.Server{Handler: func(c *websocket.Conn) {
		c.MaxPayloadBytes = 64 << 20
		for {
			var message []byte
			if websocket.Message.Receive(c, &message) != nil || websocket.Message.Send(c, message) != nil {
				return
			}
		}
	}})
	h2, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	node, err := peers.Node(t.TempDir(), nodeEcho, []string{h2}, h2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Stop() })
	return map[string]string{"http1": h1, "h2c": h2}
}

func TestWebSocketPassesBetweenAllVersions(t *testing.T) {
	for protocol, at := range webSocketServers(t) {
		w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: %s }\nsites:\n  \"*\": app\n", at, protocol))
		for name, dial := range map[string]func(*testing.T) io.ReadWriteCloser{
			"http1": func(t *testing.T) io.ReadWriteCloser { return w.webSocketHTTP1(t) },
			"http2": func(t *testing.T) io.ReadWriteCloser { return w.webSocketHTTP2(t, w.clear) },
			"http3": func(t *testing.T) io.ReadWriteCloser { return w.webSocketHTTP3(t) },
			"tls":   func(t *testing.T) io.ReadWriteCloser { return w.webSocketHTTP2(t, w.secure) },
		} {
			t.Run(name+" to "+protocol, func(t *testing.T) {
				c := dial(t)
				defer c.Close()
				exchangeMessages(t, c, 40)
			})
		}
		t.Run("x/net/websocket to "+protocol, func(t *testing.T) {
			c, err := websocket.Dial("ws://"+w.clear+"/chat", "", "http://"+w.clear)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.MaxPayloadBytes = 64 << 20
			for range 20 {
				sent, got := randomMessage(), []byte(nil)
				go websocket.Message.Send(c, sent)
				if err := websocket.Message.Receive(c, &got); err != nil || !bytes.Equal(sent, got) {
					t.Fatalf("%d bytes sent, %d came back, %v", len(sent), len(got), err)
				}
			}
		})
	}
}

func randomMessage() []byte {
	b := make([]byte, 1+mathrand.IntN(1<<mathrand.IntN(21)))
	rand.Read(b)
	return b
}

// exchangeMessages sends random messages as masked frames and wants them back bit by bit.
func exchangeMessages(t *testing.T, c io.ReadWriter, n int) {
	t.Helper()
	r := bufio.NewReaderSize(c, 64<<10)
	total := 0
	for range n {
		message := randomMessage()
		total += len(message)
		failed := make(chan error, 1)
		go func() { _, err := c.Write(maskedFrame(message)); failed <- err }()
		got, err := readFrame(r)
		if err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes sent, %d came back, %v", len(message), len(got), err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bytes each way", total)
}

func maskedFrame(payload []byte) []byte {
	b := []byte{0x82}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	var mask [4]byte
	rand.Read(mask[:])
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i&3])
	}
	return b
}

func readFrame(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, 10)
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return nil, err
	}
	n := int(head[1] & 127)
	switch n {
	case 126:
		io.ReadFull(r, head[:2])
		n = int(binary.BigEndian.Uint16(head))
	case 127:
		io.ReadFull(r, head[:8])
		n = int(binary.BigEndian.Uint64(head))
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	return payload, err
}

// webSocketHTTP1 does the opening handshake of RFC 6455.
func (w *world) webSocketHTTP1(t *testing.T) io.ReadWriteCloser {
	c, err := net.Dial("tcp", w.clear)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	key := make([]byte, 16)
	rand.Read(key)
	fmt.Fprintf(c, "GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"+
		"Origin: http://localhost\r\n\r\n", base64.StdEncoding.EncodeToString(key))
	r := bufio.NewReader(c)
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") == "" {
		t.Fatalf("%v %v", response, err)
	}
	return struct {
		io.Reader
		io.WriteCloser
	}{r, c}
}

// webSocketHTTP2 opens a stream by extended CONNECT.
func (w *world) webSocketHTTP2(t *testing.T, address string) io.ReadWriteCloser {
	c := w.dial(address)
	s := &tunnel{client: c, window: make(chan int, 1000), data: make(chan []byte, 1000)}
	settings := make(chan bool, 1)
	opened := make(chan answer, 1)
	go s.read(settings, opened)
	if !<-settings {
		t.Fatal("weir does not say that it understands extended CONNECT")
	}
	id, err := c.open(false, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: localhost", ":path: /chat", "sec-websocket-version: 13",
		"origin: http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	s.id = id
	select {
	case a := <-opened:
		if a.status != "200" || a.fields["sec-websocket-accept"] != "" {
			t.Fatalf("answered %+v", a)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no answer to CONNECT")
	}
	return s
}

// webSocketHTTP3 opens a stream by extended CONNECT over QUIC (RFC 9220).
func (w *world) webSocketHTTP3(t *testing.T) io.ReadWriteCloser {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	conn, err := quic.DialAddr(ctx, w.secure, &tls.Config{RootCAs: w.roots, ServerName: "localhost", NextProtos: []string{http3.NextProtoH3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := (&http3.Transport{}).NewClientConn(conn)
	<-client.ReceivedSettings()
	if !client.Settings().EnableExtendedConnect {
		t.Fatal("weir does not say that it understands extended CONNECT")
	}
	s, err := client.OpenRequestStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	request, _ := http.NewRequest("CONNECT", "https://localhost:"+port(w.secure)+"/chat", nil)
	request.Proto = "websocket"
	request.Header.Set("Sec-WebSocket-Version", "13")
	if err := s.SendRequestHeader(request); err != nil {
		t.Fatal(err)
	}
	response, err := s.ReadResponse()
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%v %v", response, err)
	}
	return &quicTunnel{s, conn}
}

type quicTunnel struct {
	*http3.RequestStream
	conn *quic.Conn
}

func (q *quicTunnel) Close() error { return q.conn.CloseWithError(0, "") }

// tunnel is a stream of a client's as a byte stream. Its windows are kept by hand.
type tunnel struct {
	*client
	id     uint32
	window chan int // room that weir gives
	room   int
	data   chan []byte
	rest   []byte
	mu     sync.Mutex // guards writes
}

func (s *tunnel) locked(write func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return write()
}

func (s *tunnel) read(settings chan<- bool, opened chan<- answer) {
	defer close(s.data)
	first := true
	for {
		f, err := s.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() || !first {
				continue
			}
			first = false
			v, _ := f.Value(http2.SettingEnableConnectProtocol)
			initial, _ := f.Value(http2.SettingInitialWindowSize)
			s.room = int(initial)
			s.locked(s.WriteSettingsAck)
			settings <- v == 1
		case *http2.WindowUpdateFrame:
			if f.StreamID != 0 {
				s.window <- int(f.Increment)
			}
		case *http2.MetaHeadersFrame:
			var a answer
			a.take(f)
			opened <- a
		case *http2.DataFrame:
			if len(f.Data()) > 0 {
				s.data <- bytes.Clone(f.Data())
			}
			if f.StreamEnded() {
				return
			}
		case *http2.RSTStreamFrame:
			s.t.Logf("weir resets the stream: %v", f.ErrCode)
			return
		case *http2.GoAwayFrame:
			s.t.Logf("weir ends the connection: %v %s", f.ErrCode, f.DebugData())
			return
		}
	}
}

func (s *tunnel) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case b, more := <-s.data:
			if !more {
				return 0, io.EOF
			}
			s.rest = b
		case <-time.After(20 * time.Second):
			return 0, fmt.Errorf("nothing comes")
		}
		s.locked(func() error {
			s.WriteWindowUpdate(0, uint32(len(s.rest)))
			return s.WriteWindowUpdate(s.id, uint32(len(s.rest)))
		})
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *tunnel) Write(p []byte) (done int, err error) {
	for done < len(p) {
		for s.room == 0 {
			select {
			case n := <-s.window:
				s.room += n
			case <-time.After(20 * time.Second):
				return done, fmt.Errorf("no room")
			}
		}
		n := min(len(p)-done, s.room, 16384)
		if err := s.locked(func() error { return s.WriteData(s.id, false, p[done:done+n]) }); err != nil {
			return done, err
		}
		s.room -= n
		done += n
	}
	return done, nil
}

func (s *tunnel) Close() error { return s.conn.Close() }

// A server that refuses the handshake is not taken for one that has agreed, in whatever version the client asks.
func TestARefusedWebSocketIsNoTunnel(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ok") {
			w.WriteHeader(200)
			return
		}
		w.WriteHeader(403)
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	for path, want := range map[string]string{"/no": "403", "/ok": "502"} {
		c := w.dial(w.clear)
		id, _ := c.open(false, ":method: CONNECT", ":protocol: websocket", ":scheme: http", ":authority: localhost", ":path: "+path, "sec-websocket-version: 13")
		a, err := c.await(id)
		if err != nil || a.status != want {
			t.Errorf("%s: %+v %v, want %s", path, a, err, want)
		}
	}
	c := w.dial(w.clear)
	id, _ := c.open(true, ":method: CONNECT", ":protocol: connect-udp", ":scheme: http", ":authority: localhost", ":path: /")
	if a, err := c.await(id); err != nil || a.status != "501" {
		t.Errorf("another protocol: %+v %v", a, err)
	}
}

// A server that agrees on HTTP/2 in its TLS handshake may not know how to begin a WebSocket by it (RFC 8441). It is asked by HTTP/1.1 then.
func TestWebSocketGoesToAServerWhoseHTTP2HasNone(t *testing.T) {
	dir := t.TempDir()
	cert, err := peers.NewCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert.Cert, cert.Key)
	if err != nil {
		t.Fatal(err)
	}
	echo := websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }}
	server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			echo.ServeHTTP(w, r)
			return
		}
		io.WriteString(w, r.Proto)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close() })
	for _, protocol := range []string{"auto", "http2"} {
		w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: %s, tls: { ca: %q, server_name: localhost } }\nsites:\n  \"*\": app\n", "https://"+l.Addr().String(), protocol, cert.Cert))
		response, err := http.Get("http://" + w.clear + "/")
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(response.Body); string(text) != "HTTP/2.0" {
			t.Errorf("%s: the server was asked by %s", protocol, text)
		}
		response.Body.Close()
		for range 3 {
			c, err := websocket.Dial("ws://"+w.clear+"/chat", "", "http://"+w.clear)
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			got := make([]byte, 5)
			io.WriteString(c, "hello")
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
				t.Errorf("%s: %q, %v", protocol, got, err)
			}
			c.Close()
		}
		var s api.Status
		w.status(&s)
		for _, l := range s.Loops {
			if l.Panics > 0 {
				t.Errorf("%s: %d panics", protocol, l.Panics)
			}
		}
	}
}
