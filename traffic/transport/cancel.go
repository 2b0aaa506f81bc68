package transport

import "github.com/weir-proxy/weir/engine"

// Cancel ends a Dial whose work nobody wants any more. The zero Cancel has not been called. Owned by the loop on which Dial runs.
type Cancel struct {
	isCalled bool
	loop     *engine.Loop
	conn     engine.Conn    // that is being opened; nil: none is
	opening  *opening       // whose connection it is, for whoever waits for it too; nil: it is the caller's alone
	signal   *engine.Signal // on which Dial waits; nil: it does not
	stop     func()         // ends a Dial that has no engine.Conn; nil: there is none
}

// Call ends the Dial that is in progress with engine.ErrInterrupted, and those to come at once. A connection for which others wait too is opened all the same.
func (c *Cancel) Call() {
	c.isCalled = true
	switch {
	case c.signal != nil:
		c.loop.Fire(c.signal)
	case c.opening != nil && len(c.opening.waiting) > 0:
	case c.conn != nil:
		c.conn.Interrupt()
	case c.stop != nil:
		c.stop()
	}
}

// IsCalled reports whether the work has been given up; of nil it never is.
func (c *Cancel) IsCalled() bool { return c != nil && c.isCalled }

// pending is where the engine puts the connection that it opens; nil where nobody may want to end that.
func (c *Cancel) pending() *engine.Conn {
	if c == nil {
		return nil
	}
	return &c.conn
}

// called is set once the work is given up; nil where it never is, or others wait for the connection too.
func (c *Cancel) called() *bool {
	if c == nil || c.opening != nil {
		return nil
	}
	return &c.isCalled
}

// settle forgets what a Dial was doing.
func (c *Cancel) settle() {
	if c != nil {
		c.conn, c.opening, c.signal, c.stop = nil, nil, nil, nil
	}
}

// waitsOn notes what Dial waits on.
func (c *Cancel) waitsOn(l *engine.Loop, s *engine.Signal) {
	if c != nil {
		c.loop, c.signal = l, s
	}
}

// stops notes what ends the Dial.
func (c *Cancel) stops(stop func()) {
	if c != nil {
		c.stop = stop
	}
}

// opens notes on whose behalf a connection is opened.
func (c *Cancel) opens(o *opening) {
	if c != nil {
		c.opening = o
	}
}
