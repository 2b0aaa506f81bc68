package chaos

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a raw TCP server that does what the plan of each request says.
type server struct {
	net.Listener
	t     *testing.T
	tls   *tls.Config
	mu    sync.Mutex
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

func newServer(t *testing.T, config *tls.Config) *server {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: ln, t: t, tls: config, conns: map[net.Conn]bool{}}
	s.done.Go(func() {
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[raw] = true
			s.mu.Unlock()
			s.done.Go(func() {
				defer func() {
					s.mu.Lock()
					delete(s.conns, raw)
					s.mu.Unlock()
				}()
				c := net.Conn(raw)
				if config != nil {
					c = tls.Server(raw, config)
				}
				defer c.Close()
				s.serve(c, raw.(*net.TCPConn))
			})
		}
	})
	return s
}

func (s *server) stop() {
	s.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *server) serve(c net.Conn, raw *net.TCPConn) {
	r := bufio.NewReader(c)
	for {
		c.SetDeadline(time.Now().Add(30 * time.Second))
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		parts := strings.Split(req.URL.Path, "/")
		if len(parts) != 3 {
			s.t.Errorf("a server got %q", req.RequestURI)
			return
		}
		id, _ := strconv.ParseUint(parts[2], 10, 64)
		p := planOf(parts[1], id)
		if req.Method != p.method {
			s.t.Errorf("exchange %d: the server got method %s, want %s", id, req.Method, p.method)
		}
		if !s.exchange(c, raw, p, req) {
			return
		}
	}
}

// exchange reports whether the connection goes on.
func (s *server) exchange(c net.Conn, raw *net.TCPConn, p *plan, req *http.Request) bool {
	rng := rand.New(rand.NewPCG(p.id, 2))
	for range p.interim {
		fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: <a>; rel=preload\r\n\r\n")
	}
	if req.Header.Get("Expect") != "" && p.continued && p.when != insteadOfBody {
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	var got []byte
	var err error
	switch p.when {
	case afterBody:
		got, err = io.ReadAll(req.Body)
	case amidBody:
		got = make([]byte, p.size/2)
		var n int
		n, err = io.ReadFull(req.Body, got)
		got = got[:n]
	}
	if err != nil {
		s.judge(p, got, false)
		return false
	}
	whole := make(chan error, 1)
	if p.when == beforeBody || p.when == amidBody {
		go func() {
			rest, err := io.ReadAll(req.Body)
			got = append(got, rest...)
			whole <- err
		}()
	} else {
		whole <- nil
	}
	goOn := s.answer(c, raw, p, rng)
	if !goOn && p.fault != noFault {
		c.Close()
	}
	if err := <-whole; err != nil {
		s.judge(p, got, false)
		return false
	}
	if p.when != insteadOfBody {
		s.judge(p, got, true)
	}
	return goOn
}

// judge compares the body that came with the one that was sent.
func (s *server) judge(p *plan, got []byte, whole bool) {
	want := p.request()
	if whole && !bytes.Equal(got, want) || !whole && !bytes.HasPrefix(want, got) {
		s.t.Errorf("exchange %d: the server got a body of %d bytes (whole: %v), want %d, or they differ", p.id, len(got), whole, len(want))
	}
}

// answer reports whether the connection goes on.
func (s *server) answer(c net.Conn, raw *net.TCPConn, p *plan, rng *rand.Rand) bool {
	b := fmt.Appendf(nil, "HTTP/1.1 %d Status\r\nX-Id: %d\r\n", p.status, p.id)
	keep := p.keep
	if p.when == insteadOfBody {
		keep = closesSilently
	}
	if keep == announces {
		b = append(b, "Connection: close\r\n"...)
	}
	body := p.body()
	switch {
	case p.status == 204 || p.status == 304:
		b = append(b, "\r\n"...)
	case p.method == "HEAD":
		b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", p.answer)
	case p.framing == byLength:
		b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body))
		b = append(b, body...)
	case p.framing == byChunks:
		b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
		b = appendChunks(b, body, rng)
	default:
		b = append(b, "\r\n"...)
		b = append(b, body...)
	}
	if p.fault != noFault {
		sendPieces(c, b[:int(p.faultAt*float64(len(b)))], rng)
		if p.fault == resetting {
			raw.SetLinger(0)
			raw.Close()
		}
		return false
	}
	if p.poison {
		b = append(b, "HTTP/1.1 200 OK\r\nX-Id: 1\r\nContent-Length: 6\r\n\r\npoison"...)
		c.Write(b)
		return false
	}
	if err := sendPieces(c, b, rng); err != nil {
		return false
	}
	return keep == keeps
}
