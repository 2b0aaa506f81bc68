package tls

import "github.com/weir-proxy/weir/engine"

// Watch has w told what becomes of the connection. The peer has finished when close_notify has come, or the end of the bare connection.
func (c *Conn) Watch(w engine.Watcher) {
	c.watcher = w
	if w == nil {
		c.raw.Watch(nil)
		return
	}
	c.raw.Watch((*watched)(c))
}

// watched is told what becomes of the bare connection.
type watched Conn

func (c *watched) Changed(what engine.Change) {
	switch {
	case what != engine.Arrived:
		c.watcher.Changed(what)
	case !c.looking && !c.reading && !c.peeked:
		c.looking = true
		c.raw.Loop().Go((*look)(c))
	}
}

// look is a connection on which something has come that nobody waits for: close_notify, a ticket, or the next request.
type look Conn

// Run takes in what the protocol itself sent. What is the application's waits.
func (l *look) Run() {
	c := (*Conn)(l)
	if c.watcher == nil || c.reading || c.closing {
		c.looking = false
		return
	}
	isDry := c.isDry()
	c.looking = false
	if !isDry && !c.peeked && c.watcher != nil {
		c.watcher.Changed(engine.Finished)
	}
}

// Panicked ends a look that panicked.
func (l *look) Panicked() {
	l.looking = false
	(*Conn)(l).raw.Close()
}

// WatchPeer is engine.WatchPeer for the bare connection.
func (c *Conn) WatchPeer() { engine.WatchPeer(c.raw) }
