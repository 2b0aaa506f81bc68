package engine

import (
	"net"
	"sync"
)

// ListenConfig are the options of a listener's sockets.
type ListenConfig struct {
	Backlog     int    // 0: 4096
	DeferAccept bool   // wake up only when the client has sent something: saves a turn per connection
	Congestion  string // TCP congestion control; "" leaves the system's
}

// Listener accepts connections on every loop.
type Listener struct {
	Address Address // as bound: port 0 has become the real one
	engine  *Engine
	mu      sync.Mutex
	closed  bool
	close   func()
	netl    net.Listener // portable
}

// Close stops accepting. Connections that were accepted stay; those still in the system's queue of this socket are accepted first.
// Not from a loop.
func (ln *Listener) Close() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if !ln.closed {
		ln.closed = true
		ln.close()
	}
}
