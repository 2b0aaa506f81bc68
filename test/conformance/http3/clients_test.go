package http3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/test/peers"
	wire "github.com/weir-proxy/weir/wire/http3"
)

func get(t *testing.T, c *http.Client, url string) (status int, head http.Header, body []byte) {
	t.Helper()
	answer, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, body
}

func TestBodiesArriveAsTheyWere(t *testing.T) {
	w := newWorld(t)
	c := &http.Client{Transport: w.client()}
	if status, head, body := get(t, c, w.url("/own")); status != 200 || string(body) != "weir's own\n" || !strings.Contains(head.Get("Alt-Svc"), "h3=") {
		t.Errorf("weir's own: %d %v %q", status, head, body)
	}
	for _, n := range []int{0, 1, 100, 16384, 70_000, 1 << 20, 20 << 20} {
		sent := make([]byte, n)
		rand.Read(sent)
		for _, knowsLength := range []bool{true, false} {
			var body io.Reader = bytes.NewReader(sent)
			if !knowsLength {
				body = io.MultiReader(body)
			}
			r, _ := http.NewRequest("POST", w.url("/echo"), body)
			r.Trailer = http.Header{"X-Sum": nil}
			r.Trailer.Set("X-Sum", "s")
			answer, err := c.Do(r)
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			got, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes, length known %v: %d came back, %v", n, knowsLength, len(got), err)
			}
			if n > 0 && !strings.HasPrefix(answer.Trailer.Get("X-Length"), fmt.Sprint(n)) {
				t.Errorf("%d bytes: trailers %v", n, answer.Trailer)
			}
		}
		want := make([]byte, n)
		io.ReadFull(pattern{}, want)
		if _, head, got := get(t, c, w.url(fmt.Sprintf("/bytes/%d", n))); len(got) != n || head.Get("X-Proto") != "https" {
			t.Errorf("%d bytes: %d came, %v", n, len(got), head)
		}
	}
}

func TestManyStreamsSideBySide(t *testing.T) {
	w := newWorld(t)
	c := &http.Client{Transport: w.client()}
	get(t, c, w.url("/own"))
	var all sync.WaitGroup
	failed := make(chan error, 400)
	for range 100 {
		all.Go(func() {
			for range 4 {
				answer, err := c.Get(w.url("/bytes/30000"))
				if err != nil {
					failed <- err
					return
				}
				if n, err := io.Copy(io.Discard, answer.Body); n != 30000 || err != nil {
					failed <- fmt.Errorf("%d bytes, %w", n, err)
				}
				answer.Body.Close()
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
}

func TestEventsGoOnAsTheyCome(t *testing.T) {
	w := newWorld(t)
	c := &http.Client{Transport: w.client()}
	began := time.Now()
	answer, err := c.Get(w.url("/slowly"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b := make([]byte, 100)
	if n, err := answer.Body.Read(b); n == 0 || err != nil || time.Since(began) > 200*time.Millisecond {
		t.Errorf("%d bytes, %v, after %v", n, err, time.Since(began))
	}
}

func TestAClientThatGoesAwayFreesTheServer(t *testing.T) {
	w := newWorld(t)
	c := &http.Client{Transport: w.client()}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", w.url("/wait"), nil)
	if _, err := c.Do(r); err == nil {
		t.Fatal("there was an answer")
	}
	select {
	case <-w.gone:
	case <-time.After(5 * time.Second):
		t.Error("the server still works for a client that is gone")
	}
	get(t, c, w.url("/own")) // the connection goes on
}

func TestAReloadCutsNoConnection(t *testing.T) {
	w := newWorld(t)
	tr := w.client()
	dialed := 0
	tr.Dial = func(ctx context.Context, _ string, config *tlsConfig, q *quicgo.Config) (*quicgo.Conn, error) {
		dialed++
		return w.dial(ctx, "", config, q)
	}
	c := &http.Client{Transport: tr}
	for range 3 {
		get(t, c, w.url("/bytes/1000"))
		w.reload()
	}
	if _, _, body := get(t, c, w.url("/bytes/1000")); len(body) != 1000 || dialed != 1 {
		t.Errorf("%d bytes, %d connections", len(body), dialed)
	}
}

// A reload that turns HTTP/3 off and one that turns it on again both take effect.
func TestHTTP3GoesAndComesBackByReload(t *testing.T) {
	w := newWorld(t)
	speaks := func() bool {
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		r, err := http.NewRequestWithContext(ctx, "GET", w.url("/own"), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := w.client().RoundTrip(r)
		return err == nil && response.Body.Close() == nil
	}
	if !speaks() {
		t.Fatal("HTTP/3 is not spoken at the start")
	}
	with := w.config
	for range 2 {
		w.write(strings.Replace(with, "tls: on", "tls: on, http: { versions: [http1, http2] }", 1))
		w.reload()
		if speaks() {
			t.Error("HTTP/3 is spoken although a reload has turned it off")
		}
		w.write(with)
		w.reload()
		if !speaks() {
			t.Error("HTTP/3 is not spoken although a reload has turned it on again")
		}
	}
}

func TestReloadsUnderLoadFailNothing(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	var done atomic.Int64
	stop := make(chan struct{})
	failed := make(chan error, 100)
	for range 4 {
		tr := w.client()
		c := &http.Client{Transport: tr}
		for range 4 {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					answer, err := c.Get(w.url("/bytes/20000"))
					if err == nil {
						_, err = io.Copy(io.Discard, answer.Body)
						answer.Body.Close()
					}
					if err != nil {
						failed <- err
						return
					}
					done.Add(1)
				}
			})
		}
	}
	for range 50 {
		w.reload()
	}
	close(stop)
	all.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	if done.Load() < 100 {
		t.Errorf("%d requests", done.Load())
	}
}

// held keeps back for a second what a client sends after it has heard from the server: what then reaches the server is what somebody can replay who has recorded it. The client hears
// nothing before it has sent early data, or it would finish the handshake first where it is slow.
type held struct {
	net.PacketConn
	early   chan struct{} // closed when early data was sent
	isEarly sync.Once
	heard   atomic.Bool
	until   time.Time // written before early is closed
}

func (h *held) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := h.PacketConn.ReadFrom(p)
	if err == nil {
		select {
		case <-h.early:
		case <-time.After(5 * time.Second): // the test fails: no early data was sent
		}
		h.heard.Store(true)
	}
	return n, from, err
}

func (h *held) WriteTo(p []byte, to net.Addr) (int, error) {
	if h.heard.Load() && time.Now().Before(h.until) {
		kept := bytes.Clone(p)
		time.AfterFunc(time.Until(h.until), func() { h.PacketConn.WriteTo(kept, to) })
		return len(p), nil
	}
	if hasEarlyData(p) {
		h.isEarly.Do(func() {
			h.until = time.Now().Add(time.Second)
			close(h.early)
		})
	}
	return h.PacketConn.WriteTo(p, to)
}

// hasEarlyData reports whether one of the packets of a datagram is of the type 0-RTT (RFC 9000 section 17.2).
func hasEarlyData(p []byte) bool {
	const isLong, kinds, initial, early = 0x80, 0x30, 0x00, 0x10
	for len(p) > 7 && p[0]&isLong != 0 {
		kind, at := p[0]&kinds, 5 // behind the version
		for range 2 {             // connection IDs
			at += 1 + int(p[at])
		}
		if kind == early {
			return true
		}
		if kind == initial {
			token, n := wire.ParseVarint(p[at:])
			at += n + int(token)
		}
		length, n := wire.ParseVarint(p[at:])
		p = p[at+n+int(length):]
	}
	return false
}

// keptTokens and keptTickets say that something has come.
type keptTokens struct {
	quicgo.TokenStore
	came chan struct{}
}

func (k *keptTokens) Put(key string, token *quicgo.ClientToken) {
	k.TokenStore.Put(key, token)
	tell(k.came)
}

type keptTickets struct {
	tls.ClientSessionCache
	came chan struct{}
}

func (k *keptTickets) Put(key string, ticket *tls.ClientSessionState) {
	k.ClientSessionCache.Put(key, ticket)
	tell(k.came)
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// What may be a replay is said to servers, and only what reads goes on at all before it is known to be none. And it goes on only for a client that has shown before, by a token, where
// it is: early data from a spoofed address must not pass allow and deny.
func TestEarlyDataIsMarked(t *testing.T) {
	w := newWorld(t)
	tr := w.client()
	tokens := &keptTokens{quicgo.NewLRUTokenStore(4, 4), make(chan struct{}, 8)}
	tickets := &keptTickets{tr.TLSClientConfig.ClientSessionCache, make(chan struct{}, 8)}
	tr.QUICConfig.TokenStore, tr.TLSClientConfig.ClientSessionCache = tokens, tickets
	first := &http.Client{Transport: tr}
	get(t, first, w.url("/own"))
	for what, came := range map[string]chan struct{}{"token": tokens.came, "ticket": tickets.came} {
		select {
		case <-came:
		case <-time.After(5 * time.Second):
			t.Fatalf("no %s came", what)
		}
	}
	tr.Close()
	for _, c := range []struct {
		method string
		tokens quicgo.TokenStore
	}{{"GET", nil}, {"GET", tokens}, {"POST", tokens}} {
		method := c.method
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer packets.Close()
		from := &quicgo.Transport{Conn: &held{PacketConn: packets, early: make(chan struct{})}}
		defer from.Close()
		to, _ := net.ResolveUDPAddr("udp", w.address)
		config := tr.TLSClientConfig.Clone()
		config.NextProtos, config.ServerName = []string{"h3"}, "localhost"
		conn, err := from.DialEarly(t.Context(), to, config, &quicgo.Config{TokenStore: c.tokens})
		if err != nil {
			t.Fatal(err)
		}
		s, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		s.Write(request(method + " /early HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		s.Close()
		began := time.Now()
		s.SetReadDeadline(time.Now().Add(5 * time.Second))
		answer, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		isEarly := strings.Contains(string(answer), "x-early\x011")
		waited := time.Since(began) > 700*time.Millisecond
		mayBeEarly := method == "GET" && c.tokens != nil
		if isEarly != mayBeEarly || waited == mayBeEarly || !conn.ConnectionState().Used0RTT {
			t.Errorf("%s, with a token: %v; marked %v, waited %v, early data used %v: %q", method, c.tokens != nil, isEarly, waited, conn.ConnectionState().Used0RTT, answer)
		}
		conn.CloseWithError(0x100, "")
	}
}

// ngtcp2 is another implementation, by others, in another language.
func TestAnIndependentClient(t *testing.T) {
	w := newWorld(t)
	client, err := exec.LookPath("gtlsclient")
	if err != nil {
		t.Fatalf("%v; install it with: sudo make setup", err)
	}
	dir := t.TempDir()
	host, port := "127.0.0.1", peers.Port(w.address)
	out, err := exec.Command(client, "--exit-on-all-streams-close", "--no-quic-dump", "--download="+dir, host, port, "https://localhost/bytes/1000", "https://localhost/bytes/3000000").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for n, name := range map[int]string{1000: "1000", 3000000: "3000000"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Size() != int64(n) {
			t.Errorf("%d bytes: %v %v\n%s", n, st, err, out[:min(len(out), 2000)])
		}
	}
}

func TestABrowserThatHasToSpeakQUIC(t *testing.T) {
	w := newWorld(t)
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v; install it with: sudo make setup", err)
	}
	port := peers.Port(w.address)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	spki := w.spki()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--enable-quic",
		"--origin-to-force-quic-on=localhost:"+port, "--ignore-certificate-errors-spki-list="+spki, "--host-resolver-rules=MAP localhost 127.0.0.1",
		"--timeout=20000", "--dump-dom", w.url("/own"))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "weir's own") {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("%v: %s", err, out)
	}
	for by := time.Now().Add(5 * time.Second); !strings.Contains(w.log(), `"version":"3`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("the log knows of no HTTP/3:\n%s", w.log())
		}
	}
}
