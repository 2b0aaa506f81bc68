package http2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"golang.org/x/net/websocket"
)

// chat is one end of a WebSocket. receive is for one goroutine, the others for another one; it answers pings, and returns a *closed when the
// other end has closed. close is for when nobody receives any more, and returns what the other end has answered as receive would.
type chat interface {
	send(kind int, message []byte) error
	receive() (kind int, message []byte, err error)
	ping(payload string) error
	pongs() int
	close(code int, reason string) error
	end()
}

// The kinds are the opcodes of RFC 6455.
const (
	text     = 1
	binaries = 2
	closing  = 8
	pinging  = 9
	ponging  = 10
)

// closed is how the other end has closed.
type closed struct {
	code   int
	reason string
}

func (c *closed) Error() string { return fmt.Sprintf("closed with %d %q", c.code, c.reason) }

// chatClients are those that share no code with each other. Each makes its own opening handshake on a connection.
var chatClients = []struct {
	name string
	open func(net.Conn) (chat, error)
}{
	{"gorilla", openGorilla},
	{"coder", openCoder},
	{"x/net", openXNet},
	{"own", openOwn},
}

// TestIndependentWebSocketClients: each client over each version of HTTP gets back what it has sent, message by message, while pings go both ways, and the code
// with which either end closes reaches the other.
func TestIndependentWebSocketClients(t *testing.T) {
	ended := make(chan served, 1)
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", chatServer(t, ended)))
	amount := 4 << 20
	if *soak {
		amount = 100 << 20
	}
	for _, client := range chatClients {
		for _, version := range []struct {
			name string
			dial func(*testing.T) net.Conn
		}{
			{"HTTP/1.1", func(t *testing.T) net.Conn { return dialTCP(t, w.clear) }},
			{"HTTP/2", func(t *testing.T) net.Conn { return newUpgraded(w.webSocketHTTP2(t, w.secure)) }},
			{"HTTP/3", func(t *testing.T) net.Conn { return newUpgraded(w.webSocketHTTP3(t)) }},
		} {
			t.Run(client.name+" over "+version.name, func(t *testing.T) {
				open := func() chat {
					c, err := client.open(version.dial(t))
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.end)
					return c
				}
				clientCloses(t, open(), amount, ended)
				serverCloses(t, open(), ended)
			})
		}
	}
}

func dialTCP(t *testing.T, address string) net.Conn {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// clientCloses sends and receives side by side, so that messages are in flight in both directions, and then closes.
func clientCloses(t *testing.T, c chat, amount int, ended <-chan served) {
	t.Helper()
	defer time.AfterFunc(5*time.Minute, c.end).Stop()
	seed := [32]byte{}
	rand.Read(seed[:])
	sender, receiver := newMessages(seed, amount), newMessages(seed, amount)
	began, pings, failed := time.Now(), 0, make(chan error, 1)
	go func() { failed <- sendAll(c, sender, &pings) }()
	for n := 0; ; n++ {
		kind, want, more := receiver.next()
		if !more {
			break
		}
		gotKind, got, err := c.receive()
		if err != nil || gotKind != kind || !bytes.Equal(got, want) {
			c.end()
			<-ended
			t.Fatalf("message %d: %d bytes of kind %d sent, %d of kind %d came back, %v; sending: %v", n, len(want), kind, len(got), gotKind, err, <-failed)
		}
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	wantClosed(t, c, c.close(4001, "that was all"), closed{4001, "that was all"})
	s := <-ended
	if s.err != (closed{4001, "that was all"}) || s.messages != receiver.count || s.pings != pings || s.pinged == 0 || s.pongs != s.pinged {
		t.Errorf("the server saw %+v of %d messages and %d pings", s, receiver.count, pings)
	}
	if _, blind := c.(*xnetChat); !blind && c.pongs() != pings {
		t.Errorf("%d pongs for %d pings", c.pongs(), pings)
	}
	t.Logf("%d bytes in %d messages each way in %v, %d pings and %d of the server's", receiver.sent, receiver.count, took.Round(time.Millisecond), pings, s.pinged)
}

func sendAll(c chat, m *messages, pings *int) error {
	for {
		kind, message, more := m.next()
		if !more {
			return nil
		}
		if m.count%5 == 0 { // before the message, so that whoever waits for its echo reads the pong
			*pings++
			if err := c.ping(fmt.Sprint("ping ", *pings)); err != nil {
				return err
			}
		}
		if err := c.send(kind, message); err != nil {
			return err
		}
	}
}

// serverCloses asks the server to close.
func serverCloses(t *testing.T, c chat, ended <-chan served) {
	t.Helper()
	defer time.AfterFunc(30*time.Second, c.end).Stop()
	if err := c.send(text, []byte(leave)); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.receive()
	wantClosed(t, c, err, closed{4002, "as you wish"})
	c.end()
	<-ended
}

// wantClosed holds how the server has closed against how it should have.
func wantClosed(t *testing.T, c chat, err error, want closed) {
	t.Helper()
	var got *closed
	if _, blind := c.(*xnetChat); blind && err == io.EOF {
		return
	} else if !errors.As(err, &got) || *got != want {
		t.Errorf("the server closed with %v, want %v", err, &want)
	}
}

// messages are made of a seed, so that who receives knows them without having been told.
type messages struct {
	source            *mathrand.ChaCha8
	r                 *mathrand.Rand
	left, sent, count int
}

func newMessages(seed [32]byte, amount int) *messages {
	source := mathrand.NewChaCha8(seed)
	return &messages{source: source, r: mathrand.New(source), left: amount}
}

const messageMost = 256 << 10

// edges are the lengths at which a frame's head takes another form, and the least and the most.
var edges = []int{0, 1, 125, 126, 127, 65535, 65536, messageMost}

func (m *messages) next() (kind int, message []byte, more bool) {
	if m.left <= 0 {
		return 0, nil, false
	}
	size := m.r.IntN(messageMost + 1)
	if m.count < len(edges) {
		size = edges[m.count]
	}
	m.count++
	if m.r.IntN(2) == 0 {
		kind, message = text, m.text(size)
	} else {
		kind, message = binaries, make([]byte, size)
		m.source.Read(message)
	}
	m.left -= size
	m.sent += size
	return kind, message, true
}

// text is of runes of one to four bytes, any but surrogates.
func (m *messages) text(size int) []byte {
	b := make([]byte, 0, size+4)
	for len(b) < size {
		r := rune(m.r.IntN(1 << (7 + m.r.IntN(14))))
		if r >= 0xd800 && r < 0xe000 || size-len(b) < 4 {
			r &= 0x7f
		}
		b = append(b, string(r)...)
	}
	return b
}

// leave is the message on which the server closes.
const leave = "please close"

type wsFrame struct {
	kind    byte
	payload []byte
}

// served is what the server saw of a WebSocket. pings came from the client, pinged are the server's own and pongs the answers to them.
type served struct {
	messages, pings, pinged, pongs int
	err                            closed
}

// chatServer echoes, and pings now and then. It reads on while what it has to say waits: clients answer a ping before they read on, and only between two
// messages of their own; an end that reads nothing while it cannot write would stand still with them for ever.
func chatServer(t *testing.T, ended chan<- served) string {
	upgrader := gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		var s served
		toSay, said := make(chan wsFrame, 10_000), make(chan int, 1)
		go func() { said <- sayAll(c, toSay) }()
		c.SetPingHandler(func(payload string) error {
			s.pings++
			toSay <- wsFrame{ponging, []byte(payload)}
			return nil
		})
		c.SetPongHandler(func(string) error { s.pongs++; return nil })
		c.SetCloseHandler(func(code int, reason string) error {
			toSay <- wsFrame{closing, closePayload(code, reason)}
			return nil
		})
		for {
			kind, message, err := c.ReadMessage()
			var is *gorilla.CloseError
			if errors.As(err, &is) {
				s.err = closed{is.Code, is.Text}
			}
			if err != nil {
				break
			}
			if string(message) == leave {
				kind, message = closing, closePayload(4002, "as you wish")
			} else {
				s.messages++
			}
			toSay <- wsFrame{byte(kind), message}
		}
		close(toSay)
		s.pinged = <-said
		ended <- s
	}))
}

// sayAll writes frames, and pings of its own, each before an echo: whoever has read the echo has answered.
func sayAll(c *gorilla.Conn, frames <-chan wsFrame) (pinged int) {
	by := time.Now().Add(10 * time.Minute)
	echoes := 0
	for f := range frames {
		if f.kind >= closing {
			c.WriteControl(int(f.kind), f.payload, by)
			continue
		}
		if echoes++; echoes%7 == 1 {
			pinged++
			c.WriteControl(gorilla.PingMessage, []byte("are you there"), by)
		}
		if c.WriteMessage(int(f.kind), f.payload) != nil {
			c.Close()
		}
	}
	return pinged
}

// upgraded lets a client that knows the opening handshake of HTTP/1.1 alone speak on a stream of extended CONNECT: it answers the handshake as
// weir's 200 has answered the stream's. What follows goes through untouched.
type upgraded struct {
	io.ReadWriteCloser
	head     []byte
	answered chan struct{}
	answer   []byte
	isOpen   bool // owned by the writer
}

func newUpgraded(stream io.ReadWriteCloser) *upgraded {
	return &upgraded{ReadWriteCloser: stream, answered: make(chan struct{})}
}

func (u *upgraded) Write(p []byte) (int, error) {
	if u.isOpen {
		return u.ReadWriteCloser.Write(p)
	}
	u.head = append(u.head, p...)
	if !bytes.HasSuffix(u.head, []byte("\r\n\r\n")) {
		return len(p), nil
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(u.head)))
	if err != nil {
		return 0, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	u.answer = fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	u.isOpen = true
	close(u.answered)
	return len(p), nil
}

func (u *upgraded) Read(p []byte) (int, error) {
	<-u.answered
	if len(u.answer) > 0 {
		n := copy(p, u.answer)
		u.answer = u.answer[n:]
		return n, nil
	}
	return u.ReadWriteCloser.Read(p)
}

// The test ends what takes too long; the streams have their own limits.
func (u *upgraded) SetDeadline(time.Time) error      { return nil }
func (u *upgraded) SetReadDeadline(time.Time) error  { return nil }
func (u *upgraded) SetWriteDeadline(time.Time) error { return nil }
func (u *upgraded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (u *upgraded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

const chatURL = "ws://localhost/chat"

// gorillaChat writes what is larger than its buffer in fragments.
type gorillaChat struct {
	*gorilla.Conn
	ponged atomic.Int64
}

func openGorilla(c net.Conn) (chat, error) {
	dialer := gorilla.Dialer{NetDial: func(string, string) (net.Conn, error) { return c, nil }}
	conn, _, err := dialer.Dial(chatURL, nil)
	if err != nil {
		return nil, err
	}
	g := &gorillaChat{Conn: conn}
	conn.SetPongHandler(func(string) error { g.ponged.Add(1); return nil })
	conn.SetPingHandler(func(payload string) error { // the library's own gives up after a second
		return g.WriteControl(gorilla.PongMessage, []byte(payload), time.Now().Add(time.Minute))
	})
	return g, nil
}

func (g *gorillaChat) send(kind int, message []byte) error { return g.WriteMessage(kind, message) }
func (g *gorillaChat) pongs() int                          { return int(g.ponged.Load()) }
func (g *gorillaChat) end()                                { g.Conn.Close() }

func (g *gorillaChat) receive() (int, []byte, error) {
	kind, message, err := g.ReadMessage()
	var is *gorilla.CloseError
	if errors.As(err, &is) {
		err = &closed{is.Code, is.Text}
	}
	return kind, message, err
}

func (g *gorillaChat) ping(payload string) error {
	return g.WriteControl(gorilla.PingMessage, []byte(payload), time.Now().Add(time.Minute))
}

func (g *gorillaChat) close(code int, reason string) error {
	if err := g.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, _, err := g.receive()
	return err
}

// coderChat waits for the answer to each ping.
type coderChat struct {
	*coder.Conn
	ponged atomic.Int64
}

func openCoder(c net.Conn) (chat, error) {
	k := &coderChat{}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	conn, _, err := coder.Dial(context.Background(), chatURL, &coder.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(messageMost)
	k.Conn = conn
	return k, nil
}

func (k *coderChat) send(kind int, message []byte) error {
	return k.Write(context.Background(), coder.MessageType(kind), message)
}

func (k *coderChat) receive() (int, []byte, error) {
	kind, message, err := k.Read(context.Background())
	var is coder.CloseError
	if errors.As(err, &is) {
		err = &closed{int(is.Code), is.Reason}
	}
	return int(kind), message, err
}

func (k *coderChat) ping(string) error {
	err := k.Ping(context.Background())
	if err == nil {
		k.ponged.Add(1)
	}
	return err
}

// close: the library reads the answer itself, and gives an error if that has another code.
func (k *coderChat) close(code int, reason string) error {
	if err := k.Close(coder.StatusCode(code), reason); err != nil {
		return err
	}
	return &closed{code, reason}
}

func (k *coderChat) pongs() int { return int(k.ponged.Load()) }
func (k *coderChat) end()       { k.CloseNow() }

// xnetChat shows neither pongs nor the code of a close to who uses it; what it sends of both, the server sees.
type xnetChat struct {
	*websocket.Conn
	rwc net.Conn
}

// xnetCodec sends and receives frames with their kinds.
var xnetCodec = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) { f := v.(wsFrame); return f.payload, f.kind, nil },
	Unmarshal: func(payload []byte, kind byte, v any) error {
		*v.(*wsFrame) = wsFrame{kind, payload}
		return nil
	},
}

func openXNet(c net.Conn) (chat, error) {
	config, err := websocket.NewConfig(chatURL, "http://localhost")
	if err != nil {
		return nil, err
	}
	conn, err := websocket.NewClient(config, c)
	if err != nil {
		return nil, err
	}
	return &xnetChat{conn, c}, nil
}

func (x *xnetChat) send(kind int, message []byte) error {
	return xnetCodec.Send(x.Conn, wsFrame{byte(kind), message})
}

func (x *xnetChat) receive() (int, []byte, error) {
	var f wsFrame
	err := xnetCodec.Receive(x.Conn, &f)
	return int(f.kind), f.payload, err
}

func (x *xnetChat) ping(payload string) error { return x.send(pinging, []byte(payload)) }
func (x *xnetChat) pongs() int                { return 0 }
func (x *xnetChat) end()                      { x.rwc.Close() }

func (x *xnetChat) close(code int, reason string) error {
	if err := x.send(closing, closePayload(code, reason)); err != nil {
		return err
	}
	_, _, err := x.receive()
	return err
}

// ownChat makes frames by hand.
type ownChat struct {
	net.Conn
	r      *bufio.Reader
	mu     sync.Mutex // guards writes
	ponged atomic.Int64
}

func openOwn(c net.Conn) (chat, error) {
	key := make([]byte, 16)
	rand.Read(key)
	_, err := fmt.Fprintf(c, "GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(key))
	if err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(c, 64<<10)
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != 101 {
		return nil, fmt.Errorf("%v %v", response, err)
	}
	return &ownChat{Conn: c, r: r}, nil
}

func (o *ownChat) send(kind int, message []byte) error {
	frame := maskedFrame(message)
	frame[0] = 0x80 | byte(kind)
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.Conn.Write(frame)
	return err
}

func (o *ownChat) receive() (int, []byte, error) {
	for {
		first, err := o.r.Peek(1)
		if err != nil {
			return 0, nil, err
		}
		kind := int(first[0] &^ 0x80)
		payload, err := readFrame(o.r)
		switch {
		case err != nil:
			return 0, nil, err
		case kind == pinging:
			o.send(ponging, payload)
		case kind == ponging:
			o.ponged.Add(1)
		case kind == closing && len(payload) >= 2:
			return 0, nil, &closed{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
		default:
			return kind, payload, nil
		}
	}
}

func (o *ownChat) ping(payload string) error { return o.send(pinging, []byte(payload)) }
func (o *ownChat) pongs() int                { return int(o.ponged.Load()) }
func (o *ownChat) end()                      { o.Conn.Close() }

func (o *ownChat) close(code int, reason string) error {
	if err := o.send(closing, closePayload(code, reason)); err != nil {
		return err
	}
	_, _, err := o.receive()
	return err
}

func closePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
