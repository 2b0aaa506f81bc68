package engine

import (
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// portableLoop is a loop on goroutines: a lock that is held while code of the loop runs and released while it waits, so what
// belongs to the loop is as safe, and as plain, as on epoll.
type portableLoop struct {
	loop *Loop
	mu   sync.Mutex
}

func newPortable(l *Loop) *portableLoop { return &portableLoop{loop: l} }

func (p *portableLoop) acquire() { p.mu.Lock() }
func (p *portableLoop) release() { p.mu.Unlock() }

// do runs f on the loop; owner's connection or itself is told of a panic.
func (p *portableLoop) do(f func(), owner any) {
	p.acquire()
	defer p.release()
	defer func() {
		if r := recover(); r != nil {
			p.loop.panicked(r, debug.Stack())
			if o, ok := owner.(interface{ Panicked() }); ok {
				o.Panicked()
			}
		}
	}()
	f()
}

// serve runs a handler for a connection on the loop.
func (p *portableLoop) serve(h Handler, c Conn) {
	p.acquire()
	defer p.release()
	defer func() {
		if r := recover(); r != nil {
			p.loop.panicked(r, debug.Stack())
			c.Close()
			if o, ok := h.(interface{ Panicked() }); ok {
				o.Panicked()
			}
		}
	}()
	h.Serve(c)
}

func (p *portableLoop) wait(s *Signal, d time.Duration) {
	woken := make(chan struct{})
	s.wakeup = woken
	p.release()
	timer := time.NewTimer(d)
	select {
	case <-woken:
	case <-timer.C:
	}
	timer.Stop()
	p.acquire()
	s.wakeup = nil
}

func (e *Engine) listenPortable(address Address, h Handler) (*Listener, error) {
	at := address.String()
	if address.Path != "" {
		at = address.Path
	}
	netl, err := net.Listen(address.Network(), at)
	if err != nil {
		return nil, err
	}
	ln := &Listener{Address: address, engine: e, netl: netl}
	if a, ok := netl.Addr().(*net.TCPAddr); ok {
		ln.Address.IP = netip.AddrPortFrom(address.IP.Addr(), uint16(a.Port))
	}
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for i := 0; ; i++ {
			nc, err := netl.Accept()
			if err != nil {
				return
			}
			e.ServeConn(nc, e.loops[i%len(e.loops)], h)
		}
	}()
	ln.close = func() { netl.Close(); <-accepting }
	return ln, nil
}

// ServeConn serves any net.Conn on a loop of a portable engine: how tests give it connections in memory.
func (e *Engine) ServeConn(nc net.Conn, l *Loop, h Handler) {
	go func() {
		c := newNetConn(l, nc)
		l.portable.serve(h, c)
	}()
}

func (l *Loop) dialPortable(address Address, options DialOptions) (Conn, error) {
	l.Stats.Dialed++
	l.portable.release()
	var nc net.Conn
	var err error
	if dial := l.engine.config.Dial; dial != nil {
		nc, err = dial(address, options.Timeout)
	} else {
		nc, err = dialNet(address, options)
	}
	l.portable.acquire()
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			err = ErrTimeout
		}
		return nil, err
	}
	return newNetConnLocked(l, nc), nil
}

func dialNet(a Address, options DialOptions) (net.Conn, error) {
	d := net.Dialer{Timeout: options.Timeout}
	if a.Path != "" {
		return d.Dial(a.Network(), a.Path)
	}
	if options.Source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: options.Source.AsSlice()}
	}
	return d.Dial(a.Network(), a.String())
}
