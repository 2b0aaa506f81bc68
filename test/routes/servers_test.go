package routes

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// server records the heads of requests and answers each with its name.
type server struct {
	name    string
	address string
	mu      sync.Mutex
	heads   []string
}

func newServer(t *testing.T, name string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{name: name, address: l.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return s
}

// serve answers one request and closes: what the next one would meet on a kept connection is not what is tested here.
func (s *server) serve(c net.Conn) {
	defer c.Close()
	var head bytes.Buffer
	in := bufio.NewReader(c)
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		head.Write(line)
	}
	s.mu.Lock()
	s.heads = append(s.heads, head.String())
	s.mu.Unlock()
	io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Test-Name: "+s.name+"\r\nX-Powered-By: chance\r\nX-Out: server\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// take returns what was recorded since it was called last.
func (s *server) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	heads := s.heads
	s.heads = nil
	return heads
}
