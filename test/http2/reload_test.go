package http2

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// reloads under load; each is another configuration.
const reloads = 200

func TestReloadsCutNothing(t *testing.T) {
	at := serve(t, http.HandlerFunc(streamEcho))
	ws := webSocketServers(t)
	config := func(i int) string {
		return fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: h2c }\n  chat: { servers: [%q] }\nsites:\n  \"*\":\n    /chat: chat\n    /*: app\n"+
			"  other-%d.example.com: { respond: 200 }\n", at, ws["http1"], i%7)
	}
	w := newWorld(t, config(0))
	stop := make(chan struct{})
	var done, failed atomic.Int64
	running := make(chan string, 100)
	load := func(name string, once func() error) {
		go func() {
			defer func() { running <- name }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := once(); err != nil {
					failed.Add(1)
					t.Errorf("%s: %v", name, err)
					return
				}
				done.Add(1)
			}
		}()
	}
	h1, h2 := &http.Client{}, w.http()
	h1s := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}}
	body := bytes.Repeat([]byte("x"), 20_000)
	post := func(c *http.Client, url string) func() error {
		return func() error {
			response, err := c.Post(url, "text/plain", bytes.NewReader(body))
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if got, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(got, body) {
				return fmt.Errorf("%d bytes: %w", len(got), err)
			}
			return nil
		}
	}
	quic := &http.Client{Transport: w.quic()}
	loads := 0
	for range 2 {
		load("http/1.1", post(h1, "http://"+w.clear+"/a"))
		load("http/2", post(h2, "https://localhost:"+port(w.secure)+"/a"))
		load("http/1.1 over TLS", post(h1s, "https://localhost:"+port(w.secure)+"/a"))
		load("http/3", post(quic, "https://localhost:"+port(w.secure)+"/a"))
		loads += 4
	}
	for name, c := range map[string]io.ReadWriteCloser{"websocket by http/1.1": w.webSocketHTTP1(t), "websocket by http/2": w.webSocketHTTP2(t, w.secure),
		"websocket by http/3": w.webSocketHTTP3(t)} {
		r := bufio.NewReader(c)
		load(name, func() error {
			message := bytes.Repeat([]byte("m"), 125)
			if _, err := c.Write(maskedFrame(message)); err != nil {
				return err
			}
			got, err := readFrame(r)
			if err == nil && !bytes.Equal(got, message) {
				err = errors.New("another message")
			}
			return err
		})
		loads++
	}
	for name, c := range map[string]*http.Client{"http/2": h2, "http/3": quic} {
		load("a stream of hours by "+name, openStream(t, c, "https://localhost:"+port(w.secure)+"/stream"))
		loads++
	}
	for i := range reloads {
		w.write(config(i + 1))
		w.reload()
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	for range loads {
		select {
		case <-running:
		case <-time.After(10 * time.Second):
			t.Fatal("a load does not end")
		}
	}
	t.Logf("%d reloads, %d requests and messages, %d failed", reloads, done.Load(), failed.Load())
}

// streamEcho answers each piece of the request's body as it comes.
func streamEcho(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/stream" {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
		return
	}
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	b := make([]byte, 1000)
	for {
		n, err := r.Body.Read(b)
		w.Write(b[:n])
		w.(http.Flusher).Flush()
		if err != nil {
			return
		}
	}
}

// openStream opens a call that streams both ways, as gRPC's do, and returns what sends a message and wants it back.
func openStream(t *testing.T, c *http.Client, url string) func() error {
	t.Helper()
	r, body := io.Pipe()
	request, err := http.NewRequest("POST", url, r)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	long := *c
	long.Timeout = 0
	response, err := long.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { body.Close(); response.Body.Close() })
	return func() error {
		message := []byte("\x00\x00\x00\x00\x05hello")
		if _, err := body.Write(message); err != nil {
			return err
		}
		got := make([]byte, len(message))
		if _, err := io.ReadFull(response.Body, got); err != nil || !bytes.Equal(got, message) {
			return fmt.Errorf("%q: %w", got, err)
		}
		return nil
	}
}

// A weir that stops lets what is under way end, and says so first.
func TestAStopLetsStreamsEnd(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(700 * time.Millisecond)
		io.WriteString(w, "late")
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	c := w.dial(w.clear)
	first, _ := c.open(true, get("/")...)
	time.Sleep(100 * time.Millisecond)
	w.Signal(syscall.SIGTERM)
	var told []uint32
	opened := uint32(0)
	c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	ended := map[uint32]bool{}
	for {
		f, err := c.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			if told = append(told, f.LastStreamID); len(told) == 1 {
				opened, _ = c.open(true, get("/")...) // it was on its way when the word came
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				c.WritePing(true, f.Data)
			}
		case *http2.DataFrame:
			ended[f.StreamID] = ended[f.StreamID] || f.StreamEnded()
		}
	}
	if len(told) != 2 || told[0] != 1<<31-1 || told[1] != opened {
		t.Errorf("GOAWAY names %v, and %d was opened last", told, opened)
	}
	if !ended[first] || !ended[opened] {
		t.Errorf("of %d and %d, %v ended", first, opened, ended)
	}
}
