package exchange

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/pool"
)

// talking is a server that answers at once, in chunks, with every piece of the body as it comes.
func talking(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		b := make([]byte, 15)
		for {
			n, err := req.Body.Read(b)
			if n > 0 {
				io.WriteString(c, "1\r\n"+string(b[:1])+"\r\n")
			}
			if err != nil {
				io.WriteString(c, "0\r\n\r\n")
				break
			}
		}
	}
}

func TestABodyThatGoesOnAsItComesHasNoLeastRate(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		c.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n")
		for range 30 {
			time.Sleep(29 * time.Second)
			c.send("x")
		}
		c.want("a byte every 29 s", 200, "*")
		c.Close()
	})
	inWorld(t, servers(plain(nil)), func(w *world) {
		w.route.Body = 10 * time.Minute
		c := w.client()
		c.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
		time.Sleep(9 * time.Minute)
		c.send("x")
		c.want("within the route's own pause", 200, "*")
		c.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
		began := time.Now()
		c.want("a body that stops", 408, "*")
		if took := time.Since(began); took < 10*time.Minute || took > 10*time.Minute+2*time.Second {
			t.Errorf("after %v", took)
		}
		c.Close()
	})
}

func TestASlowReaderOnlyHasToGoOnReading(t *testing.T) {
	const size = 200_000
	inWorld(t, servers(plain(map[string]string{"/large": "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + string(make([]byte, size))})), func(w *world) {
		c := w.client()
		c.send(getting("/large"))
		b := make([]byte, 2000)
		n := 0
		for n < size {
			time.Sleep(20 * time.Second)
			k, err := c.Read(b)
			if n += k; err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
		}
		c.Close()
	})
}

func TestBothSidesOfAStreamMayBeSilent(t *testing.T) {
	inWorld(t, servers(talking), func(w *world) {
		c := w.client()
		c.send("POST /chat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		hear := func() string {
			var b [1]byte
			n, err := res.Body.Read(b[:])
			if err != nil {
				return err.Error()
			}
			return string(b[:n])
		}
		hear()
		for range 3 {
			time.Sleep(20 * time.Hour)
			c.send("1\r\nb\r\n")
			if got := hear(); got != "b" {
				t.Fatalf("after 20 hours: %q", got)
			}
		}
		began := time.Now()
		if got := hear(); got != io.ErrUnexpectedEOF.Error() {
			t.Errorf("a stream that has fallen silent: %q", got)
		}
		if took := time.Since(began); took < 24*time.Hour || took > 24*time.Hour+2*time.Second {
			t.Errorf("after %v", took)
		}
		c.Close()
	})
}

// One side may be silent for ever while the other speaks.
func TestAStreamLivesAsLongAsOneSideSpeaks(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		r := bufio.NewReader(c)
		http.ReadRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 10 {
			time.Sleep(20 * time.Hour)
			io.WriteString(c, "1\r\nx\r\n")
		}
		io.WriteString(c, "0\r\n\r\n")
		io.Copy(io.Discard, c)
	}), func(w *world) {
		c := w.client()
		c.send("POST /watch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
		if _, body, _ := c.answer("POST"); body != "xxxxxxxxxx" {
			t.Errorf("got %q", body)
		}
		c.Close()
	})
}

// silentAfter answers with a head and the beginning of a body, and with its end after a time.
func silentAfter(head string, wait time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n")
		time.Sleep(wait)
		io.WriteString(c, "end")
	}
}

func TestAnAnswerWithoutAnEndIsAStream(t *testing.T) {
	for _, c := range []struct {
		method, head string
		isStream     bool
	}{
		{"GET", "Content-Type: text/event-stream\r\nConnection: close", true},
		{"GET", "Content-Type: Text/Event-Stream; charset=utf-8\r\nContent-Length: 3", true},
		{"GET", "Content-Type: multipart/x-mixed-replace;boundary=x\r\nConnection: close", true},
		{"GET", "Content-Type: application/vnd.kubernetes.protobuf;stream=watch\r\nConnection: close", true},
		{"RPC_OUT_DATA", "Content-Type: application/rpc\r\nContent-Length: 3", true},
		{"GET", "Content-Type: text/html\r\nConnection: close", false},
		{"GET", "Content-Length: 3", false},
	} {
		inWorld(t, servers(silentAfter(c.head, 5*time.Hour)), func(w *world) {
			client := w.client()
			client.send(c.method + " /events HTTP/1.1\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(client.r, nil)
			if err != nil {
				t.Fatalf("%s: %v", c.head, err)
			}
			b, err := io.ReadAll(res.Body)
			if (string(b) == "end" && err == nil) != c.isStream {
				t.Errorf("%s %q: %q, %v", c.method, c.head, b, err)
			}
			client.Close()
			time.Sleep(5 * time.Hour) // until the server has noticed
		})
	}
}

func TestAChannelIsSilentForHours(t *testing.T) {
	got := make(chan string, 1)
	inWorld(t, servers(func(c net.Conn) {
		r := bufio.NewReader(c)
		http.ReadRequest(r)
		b := make([]byte, 4)
		io.ReadFull(r, b)
		got <- string(b)
		io.Copy(io.Discard, r)
	}), func(w *world) {
		w.route.BodyLimit = 2 << 30
		c := w.client()
		c.send("RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\nab")
		time.Sleep(5 * time.Hour)
		c.send("cd")
		if text := <-got; text != "abcd" {
			t.Errorf("the server has %q", text)
		}
		c.Close()
	})
}

// A body that nobody waits for any more is not that of a stream.
func TestAnUploadBehindACompleteAnswerHasNoHours(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12")
		time.Sleep(time.Second)
		io.WriteString(c, "345")
		io.Copy(io.Discard, c)
	}), func(w *world) {
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
		c.want("an early answer", 200, "12345")
		began := time.Now()
		c.wantEnd("an upload that stops")
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the connection is closed after %v", took)
		}
		if n := w.server().InFlight; n != 0 {
			t.Errorf("%d in flight", n)
		}
		c.Close()
	})
}

// server is what the only server of the pool has counted.
func (w *world) server() pool.ServerStatus {
	st := w.route.Destination.Pool.NewStatus()
	w.engine.Each(func(l *engine.Loop) { st.CopyLoop(l.Index, l.Now()) })
	return st.Servers[0]
}

// A server that answers at once is quick, however long its clients take to send.
func TestASlowUploadMakesNoServerSlow(t *testing.T) {
	for _, request := range []string{"Content-Length: 3\r\n\r\na|b|c", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n|1\r\nb\r\n|0\r\n\r\n"} {
		inWorld(t, servers(plain(nil)), func(w *world) {
			c := w.client()
			for i, part := range strings.Split("POST /slow HTTP/1.1\r\nHost: a\r\n"+request, "|") {
				if i > 0 {
					time.Sleep(20 * time.Second)
				}
				c.send(part)
			}
			c.want("a slow upload", 200, "*")
			c.Close()
			if took := w.server().Latency; took > 1000 {
				t.Errorf("the server took %v µs", took)
			}
		})
	}
}
