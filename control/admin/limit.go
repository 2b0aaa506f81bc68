package admin

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// limited is a listener with at most connectionMax connections open, so that nobody can take all descriptors by way of the admin address. When there are that many, the one
// that has waited longest without a whole request makes room: those who say nothing cannot lock out a monitor.
type limited struct {
	net.Listener
	mu      sync.Mutex
	open    int
	waiting list.List // of *limitedConn without a request under way, the oldest first
}

// Accept returns the next connection for which there is room.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.makeRoom() {
			return l.take(c), nil
		}
		c.Close()
	}
}

// makeRoom closes a connection if there are too many; false if all of them have a request under way.
func (l *limited) makeRoom() bool {
	l.mu.Lock()
	var oldest *list.Element
	isFull := l.open >= connectionMax
	if isFull {
		oldest = l.waiting.Front()
	}
	l.mu.Unlock()
	if oldest != nil {
		oldest.Value.(*limitedConn).Close()
	}
	return !isFull || oldest != nil
}

func (l *limited) take(c net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	own := &limitedConn{Conn: c, of: l}
	own.at = l.waiting.PushBack(own)
	return own
}

// limitedConn has a place until it is closed.
type limitedConn struct {
	net.Conn
	of       *limited
	at       *list.Element // in waiting; nil: not in it. Guarded by of.mu, as what follows is.
	isClosed bool
}

// Close gives the place back.
func (c *limitedConn) Close() error {
	c.of.mu.Lock()
	if !c.isClosed {
		c.isClosed = true
		c.of.open--
		c.leave()
	}
	c.of.mu.Unlock()
	return c.Conn.Close()
}

func (c *limitedConn) leave() {
	if c.at != nil {
		c.of.waiting.Remove(c.at)
		c.at = nil
	}
}

// begin and end stand around a request.
func (c *limitedConn) begin() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.leave()
}

func (c *limitedConn) end() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if !c.isClosed && c.at == nil {
		c.at = c.of.waiting.PushBack(c)
	}
}

type connKey struct{}

// withConn has requests know their connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// holding keeps the connection of a request from making room.
func holding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*limitedConn); ok {
			c.begin()
			defer c.end()
		}
		next.ServeHTTP(w, r)
	})
}
