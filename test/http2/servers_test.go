package http2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawServer is a server whose every frame is in the hands of the test: serve is called for each request's head.
type rawServer struct {
	address  string
	settings []http2.Setting
	serve    func(c *rawConn, id uint32)
	head     func(c *rawConn, f *http2.MetaHeadersFrame) // in place of serve
	conns    atomic.Int32
}

// rawConn is a connection of a rawServer's.
type rawConn struct {
	*http2.Framer
	net.Conn
	number int32 // of the connection
	mu     sync.Mutex
	block  bytes.Buffer
	hpack  *hpack.Encoder
}

func newRawServer(t *testing.T, serve func(c *rawConn, id uint32), settings ...http2.Setting) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{address: l.Addr().String(), settings: settings, serve: serve}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go s.run(conn)
		}
	}()
	return s
}

func (s *rawServer) run(conn net.Conn) {
	c := &rawConn{Framer: http2.NewFramer(conn, conn), Conn: conn, number: s.conns.Add(1)}
	c.hpack = hpack.NewEncoder(&c.block)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	c.WriteSettings(s.settings...)
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.locked(c.WriteSettingsAck)
			}
		case *http2.MetaHeadersFrame:
			switch {
			case s.head != nil:
				s.head(c, f)
			case s.serve != nil:
				s.serve(c, f.StreamID)
			}
		}
	}
}

func (c *rawConn) locked(write func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return write()
}

// answer answers a stream with a status and a text.
func (c *rawConn) answer(id uint32, text string) {
	c.locked(func() error {
		c.block.Reset()
		c.hpack.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true})
		return c.WriteData(id, true, []byte(text))
	})
}

func (w *world) post(t *testing.T) (int, string) {
	t.Helper()
	response, err := http.Post("http://"+w.clear+"/", "text/plain", bytes.NewReader([]byte("order")))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

func proxyTo(t *testing.T, address, more string) *world {
	return newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: h2c%s }\nsites:\n  \"*\": app\n", address, more))
}

// A POST that the server has not looked at is sent again: refused streams, and those above what GOAWAY names.
func TestWhatAServerHasNotProcessedIsSentAgain(t *testing.T) {
	for name, refuse := range map[string]func(c *rawConn, id uint32){
		"refused stream": func(c *rawConn, id uint32) {
			c.locked(func() error { return c.WriteRSTStream(id, http2.ErrCodeRefusedStream) })
		},
		"goaway": func(c *rawConn, id uint32) {
			c.locked(func() error { return c.WriteGoAway(max(id, 2)-2, http2.ErrCodeNo, nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			s := newRawServer(t, func(c *rawConn, id uint32) {
				if n := asked.Add(1); n == 1 || n == 3 {
					refuse(c, id)
					return
				}
				c.answer(id, "done")
			})
			w := proxyTo(t, s.address, "")
			for range 3 {
				if status, body := w.post(t); status != 200 || body != "done" {
					t.Errorf("%d %q", status, body)
				}
			}
			if n := asked.Load(); n != 5 {
				t.Errorf("the server was asked %d times for 3 requests, two of which it refused once", n)
			}
		})
	}
}

// A request that the server may have processed is not sent again.
func TestWhatAServerMayHaveProcessedIsNotSentAgain(t *testing.T) {
	var asked atomic.Int32
	s := newRawServer(t, func(c *rawConn, id uint32) {
		asked.Add(1)
		c.locked(func() error { return c.WriteRSTStream(id, http2.ErrCodeInternal) })
	})
	w := proxyTo(t, s.address, "")
	if status, _ := w.post(t); status != 502 || asked.Load() != 1 {
		t.Errorf("answered %d after %d attempts", status, asked.Load())
	}
}

// The server's limit of streams holds on each connection, and another one is opened beyond it.
func TestTheServersLimitOfStreamsHolds(t *testing.T) {
	const limit = 3
	var mu sync.Mutex
	open, most := map[int32]int{}, 0
	s := newRawServer(t, func(c *rawConn, id uint32) {
		mu.Lock()
		open[c.number]++
		most = max(most, open[c.number])
		mu.Unlock()
		time.AfterFunc(50*time.Millisecond, func() {
			mu.Lock()
			open[c.number]--
			mu.Unlock()
			c.answer(id, "done")
		})
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: limit})
	w := proxyTo(t, s.address, "")
	for range 16 { // so that every loop has heard of the limit
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := fresh.Get("http://" + w.clear + "/")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if status, body := w.post(t); status != 200 || body != "done" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
	wg.Wait()
	if n := s.conns.Load(); most > limit || n < 2 || n > 40 {
		t.Errorf("up to %d streams on one of %d connections", most, n)
	}
}

// Many requests that come at once to a server without a connection share the first.
func TestManyRequestsShareAConnection(t *testing.T) {
	s := newRawServer(t, func(c *rawConn, id uint32) {
		time.AfterFunc(20*time.Millisecond, func() { c.answer(id, "done") })
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000})
	w := proxyTo(t, s.address, "")
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() { w.post(t) })
	}
	wg.Wait()
	if n := s.conns.Load(); n > 8 {
		t.Errorf("60 requests at once came on %d connections", n)
	}
}

// A server that breaks off is no loop of retries, and one that answers nonsense is a 502.
func TestBrokenServersAreAnswered(t *testing.T) {
	for name, serve := range map[string]func(c *rawConn, id uint32){
		"push": func(c *rawConn, id uint32) { c.WriteRawFrame(http2.FramePushPromise, 4, id, []byte{0, 0, 0, 2, 0x88}) },
		"bad status": func(c *rawConn, id uint32) {
			c.WriteRawFrame(http2.FrameHeaders, 5, id, []byte{0x08, 3, '0', '9', '9'})
		},
		"no status": func(c *rawConn, id uint32) { c.WriteRawFrame(http2.FrameHeaders, 5, id, []byte{0x54, 1, 'x'}) },
		"bad hpack": func(c *rawConn, id uint32) {
			c.WriteRawFrame(http2.FrameHeaders, 5, id, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
		},
		"huge frame":    func(c *rawConn, id uint32) { c.Conn.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, byte(id)}) },
		"closed":        func(c *rawConn, id uint32) { c.Conn.Close() },
		"refuses all":   func(c *rawConn, id uint32) { c.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"empty headers": func(c *rawConn, id uint32) { c.WriteRawFrame(http2.FrameHeaders, 5, id, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			s := newRawServer(t, func(c *rawConn, id uint32) {
				asked.Add(1)
				c.locked(func() error { serve(c, id); return nil })
			})
			w := proxyTo(t, s.address, ", eject: off")
			began := time.Now()
			if status, _ := w.post(t); status != 502 || asked.Load() > 8 || time.Since(began) > 5*time.Second {
				t.Errorf("answered %d after %d attempts in %v", status, asked.Load(), time.Since(began))
			}
		})
	}
}

// Clients that leave together have all their streams reset, whose answers are under way; the exchanges of others on the same connections go on.
func TestClientsThatLeaveTogetherHurtNobodyElse(t *testing.T) {
	s := newRawServer(t, func(c *rawConn, id uint32) {
		time.AfterFunc(60*time.Millisecond, func() { c.answer(id, "done") }) // reset or not
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 500})
	w := proxyTo(t, s.address, "")
	var stop atomic.Bool
	var good sync.WaitGroup
	var asked atomic.Int32
	for range 8 {
		good.Go(func() {
			client := w.http()
			for !stop.Load() {
				answer, err := client.Get("https://" + w.secure + "/")
				if err != nil {
					t.Error(err)
					return
				}
				answer.Body.Close()
				if asked.Add(1); answer.StatusCode != 200 {
					t.Errorf("answered %d while others leave", answer.StatusCode)
				}
			}
		})
	}
	for range 5 {
		var leaving []*client
		for range 8 {
			c := w.dial(w.secure)
			for range 100 {
				if _, err := c.open(true, get("/")...); err != nil {
					t.Fatal(err)
				}
			}
			leaving = append(leaving, c)
		}
		time.Sleep(20 * time.Millisecond) // all is with the server
		for _, c := range leaving {
			c.conn.Close()
		}
		time.Sleep(150 * time.Millisecond)
	}
	stop.Store(true)
	good.Wait()
	if n := asked.Load(); n < 50 {
		t.Errorf("%d requests prove little", n)
	}
}

// What a server sends out of order, or beside what it has announced, never reaches a client as an answer.
func TestMalformedAnswersOfServersAreNone(t *testing.T) {
	head := func(c *rawConn, id uint32, end bool, fields ...string) {
		c.locked(func() error {
			c.block.Reset()
			for i := 0; i < len(fields); i += 2 {
				c.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
			}
			return c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: end})
		})
	}
	data := func(c *rawConn, id uint32, text string) {
		c.locked(func() error { return c.WriteData(id, true, []byte(text)) })
	}
	for name, serve := range map[string]func(c *rawConn, id uint32){
		"content before the head": func(c *rawConn, id uint32) {
			c.locked(func() error { return c.WriteData(id, false, []byte("early")) })
			head(c, id, false, ":status", "200")
			data(c, id, "late")
		},
		"content after an interim response": func(c *rawConn, id uint32) {
			head(c, id, false, ":status", "103")
			data(c, id, "x")
		},
		"an interim response that ends": func(c *rawConn, id uint32) { head(c, id, true, ":status", "103") },
		"no status":                     func(c *rawConn, id uint32) { head(c, id, true, "x-a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			w := proxyTo(t, newRawServer(t, serve).address, "")
			if status, body := w.post(t); status != 502 {
				t.Errorf("status %d, %q", status, body)
			}
		})
	}
}

// A length of nothing with content behind it is told to nobody as a whole answer: the head may have gone on, but then its client sees no good end.
func TestContentBesideALengthOfNothingIsAFault(t *testing.T) {
	s := newRawServer(t, func(c *rawConn, id uint32) {
		c.locked(func() error {
			c.block.Reset()
			c.hpack.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			c.hpack.WriteField(hpack.HeaderField{Name: "content-length", Value: "0"})
			c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true})
			return c.WriteData(id, true, []byte("smuggled"))
		})
	})
	w := proxyTo(t, s.address, "")
	response, err := http.Post("http://"+w.clear+"/", "text/plain", nil)
	if err == nil {
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if len(body) > 0 && response.StatusCode == 200 {
			t.Errorf("the client got %q", body)
		}
	}
}

// A server that sends interim responses without end keeps nobody waiting: the next request goes by another connection at once, and the flood is cut.
func TestAFloodOfInterimResponsesConcernsItsRequestAlone(t *testing.T) {
	var asked atomic.Int32
	cut := make(chan error, 1)
	s := newRawServer(t, func(c *rawConn, id uint32) {
		if asked.Add(1) > 1 {
			c.answer(id, "done")
			return
		}
		go func() {
			var err error
			for i := 0; i < 200_000 && err == nil; i++ {
				err = c.locked(func() error {
					c.block.Reset()
					c.hpack.WriteField(hpack.HeaderField{Name: ":status", Value: "103"})
					return c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true})
				})
			}
			cut <- err
		}()
	})
	w := proxyTo(t, s.address, "")
	if status, body := w.post(t); status != 502 {
		t.Errorf("the flood is answered by %d, %q", status, body)
	}
	began := time.Now()
	if status, body := w.post(t); status != 200 || body != "done" {
		t.Errorf("the next one is answered by %d, %q", status, body)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the next one took %v", took)
	}
	if err := <-cut; err == nil {
		t.Error("the server could send all of it")
	}
	if n := s.conns.Load(); n < 2 {
		t.Errorf("%d connections", n)
	}
}
