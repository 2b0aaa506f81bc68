package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// hostile begins the target of a request that is answered with the bytes of a case.
const hostile = "/hostile"

// A recorder is the server behind the subject. It keeps every byte that it receives, divides them into requests with
// package net/http, and answers each with what it understood: method, target, size of the body.
type recorder struct {
	listener net.Listener

	mu      sync.Mutex
	streams []*stream
	reply   []byte // to a hostile target
	thenEOF bool
}

// A stream is what came on one connection.
type stream struct {
	raw      []byte
	requests []recorded
	broken   error // how it ended, when not between two requests
	closed   chan struct{}
}

// A recorded request is one as net/http divided it.
type recorded struct {
	Method string
	Target string
	Body   int
}

// String is what the answer carries in X-Echo.
func (r recorded) String() string { return fmt.Sprintf("%s %s %d", r.Method, r.Target, r.Body) }

// isKnownMethod reports whether llhttp takes the method: it refuses those that are not registered. The recorder ends its
// connection behind such a request, so that the rest of the stream can be compared without it.
func (r recorded) isKnownMethod() bool {
	return slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"}, r.Method)
}

// newRecorder listens on loopback.
func newRecorder() (*recorder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &recorder{listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s := &stream{closed: make(chan struct{})}
			r.mu.Lock()
			r.streams = append(r.streams, s)
			r.mu.Unlock()
			go r.serve(c, s)
		}
	}()
	return r, nil
}

// serve answers one connection until it ends.
func (r *recorder) serve(c net.Conn, s *stream) {
	defer close(s.closed)
	defer c.Close()
	in := bufio.NewReader(&tap{c, r, s})
	for {
		request, err := http.ReadRequest(in)
		if err == nil {
			if strings.EqualFold(request.Header.Get("Expect"), "100-continue") {
				io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			var size int64
			size, err = io.Copy(io.Discard, request.Body)
			if err == nil {
				err = r.answer(c, s, recorded{request.Method, request.RequestURI, int(size)})
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				r.mu.Lock()
				s.broken = err
				r.mu.Unlock()
			}
			return
		}
	}
}

// answer notes a request and answers it: the case's bytes for a hostile target, an echo for others.
func (r *recorder) answer(c net.Conn, s *stream, q recorded) error {
	r.mu.Lock()
	s.requests = append(s.requests, q)
	reply, thenEOF := r.reply, r.thenEOF
	r.mu.Unlock()
	if !strings.HasPrefix(q.Target, hostile) {
		body := q.String()
		if q.Method == "HEAD" {
			body = ""
		}
		ending, err := "", error(nil)
		if !q.isKnownMethod() {
			ending, err = "Connection: close\r\n", io.EOF
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Echo: %s\r\nContent-Length: %d\r\n%s\r\n%s", q, len(q.String()), ending, body)
		return err
	}
	c.Write(reply)
	if thenEOF {
		return io.EOF
	}
	return nil
}

// tap keeps what is read.
type tap struct {
	net.Conn
	r *recorder
	s *stream
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.r.mu.Lock()
	t.s.raw = append(t.s.raw, b[:n]...)
	t.r.mu.Unlock()
	return n, err
}

// A mark is a moment in the recording.
type mark struct {
	raw, requests []int // by stream
}

// mark notes how much there is.
func (r *recorder) mark() mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m mark
	for _, s := range r.streams {
		m.raw = append(m.raw, len(s.raw))
		m.requests = append(m.requests, len(s.requests))
	}
	return m
}

// since returns what came after a mark: the requests, the bytes of all streams, and the streams that requests came on.
func (r *recorder) since(m mark) (requests []recorded, raw []byte, on []*stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.streams {
		fromRaw, fromRequest := 0, 0
		if i < len(m.raw) {
			fromRaw, fromRequest = m.raw[i], m.requests[i]
		}
		raw = append(raw, s.raw[fromRaw:]...)
		if fromRequest < len(s.requests) {
			requests = append(requests, s.requests[fromRequest:]...)
			on = append(on, s)
		}
	}
	return requests, raw, on
}

// touched returns the streams that bytes came on since a mark.
func (r *recorder) touched(m mark) []*stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	var on []*stream
	for i, s := range r.streams {
		if i >= len(m.raw) && len(s.raw) > 0 || i < len(m.raw) && len(s.raw) > m.raw[i] {
			on = append(on, s)
		}
	}
	return on
}

// settled waits until nothing more comes in, and returns what since does.
func (r *recorder) settled(m mark) ([]recorded, []byte, []*stream) {
	_, raw, _ := r.since(m)
	for range 20 {
		time.Sleep(2 * time.Millisecond)
		_, more, _ := r.since(m)
		if bytes.Equal(more, raw) {
			break
		}
		raw = more
	}
	return r.since(m)
}

// answerWith sets the bytes for hostile targets.
func (r *recorder) answerWith(reply []byte, thenEOF bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reply, r.thenEOF = reply, thenEOF
}

// isClosed waits for the end of a stream, at most as long as given.
func (s *stream) isClosed(patience time.Duration) bool {
	select {
	case <-s.closed:
		return true
	case <-time.After(patience):
		return false
	}
}
