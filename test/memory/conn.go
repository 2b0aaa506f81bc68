package memory

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// line is what both ends of a connection share.
type line struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when anything changes
}

// holds is how many bytes a connection holds in each direction.
const holds = 64 << 10

// Conn is an end of a connection.
type Conn struct {
	*line
	far      *Conn
	in       []byte // bytes that have come
	ended    bool   // nothing comes behind them
	reset    bool
	closed   bool
	finished bool // CloseWrite was called
	abrupt   bool // Close resets
	readBy   time.Time
	writeBy  time.Time
}

// NewConn returns both ends of a connection.
func NewConn() (a, b *Conn) {
	l := &line{changed: make(chan struct{})}
	a, b = &Conn{line: l}, &Conn{line: l}
	a.far, b.far = b, a
	return a, b
}

// tell wakes whoever waits for a change. With mu held.
func (l *line) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// await calls try until it is done, or until its deadline. With mu held, but not while it waits.
func (e *Conn) await(by *time.Time, try func() bool) error {
	for {
		switch {
		case e.closed:
			return net.ErrClosed
		case e.reset:
			return syscall.ECONNRESET
		case !by.IsZero() && !time.Now().Before(*by):
			return os.ErrDeadlineExceeded
		case try():
			return nil
		}
		changed := e.changed
		var late <-chan time.Time
		if !by.IsZero() {
			late = time.After(time.Until(*by))
		}
		e.mu.Unlock()
		select {
		case <-changed:
		case <-late:
		}
		e.mu.Lock()
	}
}

func (e *Conn) Read(p []byte) (n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.await(&e.readBy, func() bool { return len(e.in) > 0 || e.ended }); err != nil {
		return 0, err
	}
	if n = copy(p, e.in); n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	e.in = e.in[n:]
	e.tell()
	return n, nil
}

func (e *Conn) Write(p []byte) (n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n < len(p) {
		err := e.await(&e.writeBy, func() bool { return e.finished || e.far.closed || len(e.far.in) < holds })
		switch {
		case err != nil:
			return n, err
		case e.finished:
			return n, syscall.EPIPE
		case e.far.closed: // the system of the peer answers with a reset
			e.reset = true
			e.tell()
			return len(p), nil
		}
		k := min(len(p)-n, holds-len(e.far.in))
		e.far.in = append(e.far.in, p[n:n+k]...)
		n += k
		e.tell()
	}
	return n, nil
}

// CloseWrite ends what goes to the other end.
func (e *Conn) CloseWrite() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finished, e.far.ended = true, true
	e.tell()
	return nil
}

// SetLinger has Close reset the connection.
func (e *Conn) SetLinger(int) error {
	e.abrupt = true
	return nil
}

// Close resets the connection if there is something that was not read, as systems do.
func (e *Conn) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed = true
	e.far.ended = true
	if e.abrupt || len(e.in) > 0 {
		e.far.reset = true
	}
	e.tell()
	return nil
}

func (e *Conn) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readBy = t
	e.tell()
	return nil
}

func (e *Conn) SetWriteDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writeBy = t
	e.tell()
	return nil
}

func (e *Conn) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *Conn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(10, 0, 1, 1), Port: 1} }
func (e *Conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 1, 2), Port: 2} }
