package chaos

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// misdeed is what a client does wrong with the last request of its connection.
type misdeed int

const (
	none misdeed = iota
	halfCloses
	resetsInRequest
	closesInRequest
	halfClosesInRequest
	resetsInAnswer
	closesInAnswer
)

// session is one client connection.
type session struct {
	seed    uint64
	tls     bool
	plans   []*plan
	depth   int // requests that may be on their way without an answer
	misdeed misdeed
	rng     *rand.Rand
	conn    net.Conn
	raw     *net.TCPConn
	hit     atomic.Bool // the misdeed has begun
	refused atomic.Bool // a write has failed: the system says once that a connection was reset, and this was it
}

func newSession(seed uint64) *session {
	r := rand.New(rand.NewPCG(seed, 3))
	s := &session{seed: seed, rng: r, tls: r.IntN(3) == 0}
	pools := []string{"good", "good", "goodtls", "bad", "badtls"}
	only := pools[r.IntN(len(pools))]
	for i := range 1 + r.IntN(6) {
		pool := only
		if r.IntN(4) == 0 {
			pool = pools[r.IntN(len(pools))]
		}
		p := planOf(pool, seed*8+uint64(i))
		s.plans = append(s.plans, p)
		if p.close {
			break // nothing may follow
		}
	}
	s.depth = 1 + r.IntN(len(s.plans))
	if r.IntN(4) == 0 {
		s.misdeed = misdeed(1 + r.IntN(6))
	}
	return s
}

func (s *session) run(clear, secure string) error {
	address := clear
	if s.tls {
		address = secure
	}
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	s.raw = raw.(*net.TCPConn)
	s.conn = raw
	if s.tls {
		s.conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	defer s.conn.Close()
	s.conn.SetDeadline(time.Now().Add(20 * time.Second))
	room := make(chan struct{}, s.depth)
	stop, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		s.writeAll(room, stop)
	}()
	err = s.readAll(room)
	close(stop)
	s.conn.Close()
	<-written
	return err
}

func (s *session) writeAll(room, stop chan struct{}) {
	rng := rand.New(rand.NewPCG(s.seed, 4))
	for i, p := range s.plans {
		select {
		case room <- struct{}{}:
		case <-stop:
			return
		}
		b, head := appendRequest(nil, p, rng)
		last := i == len(s.plans)-1
		if last && (s.misdeed == resetsInRequest || s.misdeed == closesInRequest || s.misdeed == halfClosesInRequest) {
			s.hit.Store(true)
			sendPieces(s.conn, b[:rng.IntN(len(b))], rng)
			s.misbehave()
			return
		}
		if p.expect && rng.IntN(2) == 0 {
			if sendPieces(s.conn, b[:head], rng) != nil {
				s.refused.Store(true)
				return
			}
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
			b = b[head:]
		}
		if sendPieces(s.conn, b, rng) != nil {
			s.refused.Store(true)
			return
		}
		if last && s.misdeed == halfCloses {
			s.misbehave()
		}
	}
}

func (s *session) misbehave() {
	switch s.misdeed {
	case halfCloses, halfClosesInRequest:
		if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
		s.raw.CloseWrite()
	case resetsInRequest, resetsInAnswer:
		s.raw.SetLinger(0)
		s.raw.Close()
	case closesInRequest, closesInAnswer:
		s.raw.Close()
	}
}

func appendRequest(b []byte, p *plan, rng *rand.Rand) (request []byte, head int) {
	minor := 1
	if p.http10 {
		minor = 0
	}
	b = fmt.Appendf(b, "%s %s HTTP/1.%d\r\nHost: chaos.test\r\n", p.method, p.target(), minor)
	switch {
	case p.close:
		b = append(b, "Connection: close\r\n"...)
	case p.http10:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if p.expect {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	switch {
	case p.chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
		head = len(b)
		b = appendChunks(b, p.request(), rng)
	case p.size > 0 || p.method == "POST":
		b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", p.size)
		head = len(b)
		b = append(b, p.request()...)
	default:
		b = append(b, "\r\n"...)
		head = len(b)
	}
	return b, head
}

// readAll reads the answers and judges each.
func (s *session) readAll(room chan struct{}) error {
	r := bufio.NewReader(s.conn)
	loose := false // something before may have cost the connection
	for i, p := range s.plans {
		last := i == len(s.plans)-1
		loose = loose || p.loose || last && s.misdeed > halfCloses
		if last && (s.misdeed == resetsInAnswer || s.misdeed == closesInAnswer) {
			s.hit.Store(true)
			s.conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond)) // there may be less to read
			if n := s.rng.IntN(3); n > 0 {
				io.CopyN(io.Discard, r, int64(s.rng.IntN(1+p.answer)))
			}
			s.misbehave()
			return nil
		}
		resp, err := s.head(r, p)
		if err != nil {
			if loose || s.hit.Load() {
				return timedOut(p, err)
			}
			return fmt.Errorf("exchange %d (%+v): no answer: %w", p.id, *p, err)
		}
		got, err := io.ReadAll(resp.Body)
		if err == nil && len(got) < len(p.body()) && s.wasReset() {
			err = syscall.ECONNRESET
		}
		if err := s.judge(p, resp, got, err, loose || s.hit.Load()); err != nil {
			return err
		}
		if err != nil || resp.Close || p.close {
			return s.end(r, p, resp, err)
		}
		<-room
	}
	return nil
}

// wasReset reports whether a write has been told, or is just being told, that the connection was reset: reading finds an end then.
func (s *session) wasReset() bool {
	for by := time.Now().Add(200 * time.Millisecond); !s.refused.Load() && time.Now().Before(by); time.Sleep(time.Millisecond) {
	}
	return s.refused.Load()
}

// timedOut: whoever misbehaved, nobody is left waiting.
func timedOut(p *plan, err error) error {
	var ne net.Error
	if !errors.Is(err, net.ErrClosed) && errors.As(err, &ne) && ne.Timeout() {
		return fmt.Errorf("exchange %d (%+v): neither an answer nor an end: %w", p.id, *p, err)
	}
	return nil
}

// end expects the end of a connection whose last answer said so.
func (s *session) end(r *bufio.Reader, p *plan, resp *http.Response, bodyErr error) error {
	if bodyErr != nil || s.misdeed > halfCloses {
		return timedOut(p, bodyErr)
	}
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	b, err := r.ReadByte()
	if err == nil {
		return fmt.Errorf("exchange %d (%+v): byte %q after the last answer (%+v)", p.id, *p, b, resp.Header)
	}
	return timedOut(p, err)
}

func (s *session) head(r *bufio.Reader, p *plan) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: p.method})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 {
			return resp, nil
		}
		if p.http10 {
			return nil, fmt.Errorf("exchange %d: an HTTP/1.0 client got %d", p.id, resp.StatusCode)
		}
	}
}

func (s *session) judge(p *plan, resp *http.Response, got []byte, err error, loose bool) error {
	id := resp.Header.Get("X-Id")
	if id == "" {
		switch resp.StatusCode {
		case 502, 503, 504:
			if loose {
				return nil
			}
		case 400, 408: // the client's own fault
			if s.hit.Load() && p == s.plans[len(s.plans)-1] {
				return nil
			}
		}
		return fmt.Errorf("exchange %d (%+v): weir answered %d %q", p.id, *p, resp.StatusCode, got)
	}
	if id != strconv.FormatUint(p.id, 10) || resp.StatusCode != p.status {
		return fmt.Errorf("exchange %d (%+v): got %d of exchange %s", p.id, *p, resp.StatusCode, id)
	}
	want := p.body()
	if !bytes.HasPrefix(want, got) {
		return fmt.Errorf("exchange %d (%+v): a wrong body of %d bytes", p.id, *p, len(got))
	}
	if err != nil && loose {
		return nil
	}
	if err != nil {
		return fmt.Errorf("exchange %d (%+v): the body of %d bytes ends after %d: %w", p.id, *p, len(want), len(got), err)
	}
	// A server's body that ends with its connection does not tell that it was cut.
	untold := loose && (p.fault == closing || p.when == insteadOfBody) && p.framing == byClose
	if len(got) != len(want) && !untold {
		return fmt.Errorf("exchange %d (%+v): %d bytes of %d in a complete frame", p.id, *p, len(got), len(want))
	}
	return nil
}
