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
	Transparent bool   // takes connections to addresses that are not this machine's, which TPROXY brings; needs CAP_NET_ADMIN
	Sockets     []int  // sockets that listen on the address already, from another process: all are accepted from, none is opened. Listen owns them
	exclusive   bool   // nobody else may have the address
	Beside      bool   // this process listens on an address that overlaps this one, such as :80 and 10.0.0.1:80: the more specific one gets the connections
	Paused      bool   // accept nothing before Start: clients wait in the system's queue
}

// Listener accepts connections on every loop.
type Listener struct {
	Address     Address // as bound: port 0 has become the real one
	engine      *Engine
	mu          sync.Mutex
	closed      bool
	isInherited bool // the sockets came from another process
	close       func()
	start       func()          // nil once it was called
	leave       func()          // gives the sockets up without a word to who waits in their queues
	closeLeft   func()          // closes what leave has left open; nil: nothing
	last        func(l *Loop)   // of CloseWith
	sockets     func() []int    // nil: they cannot be given away
	packets     []*PacketSocket // of datagrams, by the order of sockets
	netl        net.Listener    // portable
}

// Start begins to accept, where Listen was told to wait.
func (ln *Listener) Start() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.start != nil && !ln.closed {
		ln.start()
	}
	ln.start = nil
}

// Sockets are the descriptors of the listening sockets, for another process. They stay the listener's.
func (ln *Listener) Sockets() []int {
	if ln.sockets == nil {
		return nil
	}
	return ln.sockets()
}

// Leave stops accepting and leaves everything to the other processes that have the sockets: who waits in their queues, and the path of a Unix
// socket. Not from a loop.
func (ln *Listener) Leave() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if !ln.closed && ln.leave != nil {
		ln.closed = true
		ln.leave()
	}
}

// CloseLeft closes sockets for datagrams that were left: until then, answers can be sent by them. Not from a loop.
func (ln *Listener) CloseLeft() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed && ln.closeLeft != nil {
		ln.closeLeft()
	}
	ln.closeLeft = nil
}

// CloseWith is Close of a listener for datagrams; last runs on each loop right after its socket was closed, before anything else does.
func (ln *Listener) CloseWith(last func(l *Loop)) {
	ln.mu.Lock()
	ln.last = last
	ln.mu.Unlock()
	ln.Close()
}

// Close stops accepting. Connections that were accepted stay; those still in the system's queue of this socket are accepted first. Of sockets of
// another process that were not started nothing is taken. Not from a loop.
func (ln *Listener) Close() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		return
	}
	ln.closed = true
	if ln.start != nil && ln.leave != nil && ln.isInherited {
		ln.leave()
		return
	}
	ln.close()
}
