package tunnel

import (
	"errors"
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// relay is two connections whose bytes go to each other. Owned by their loop. What a small message needs comes first: a line of the cache, which is not there
// any more where a thousand talk in turn.
type relay struct {
	loop     *engine.Loop
	owner    owner
	lastByte int64     // ms
	up, down direction // from the client to the server, and back

	ends       [2]engine.Conn // the client's, the server's
	unsent     [2][]byte      // that came by each, and that the loop has not passed on; nil: nothing
	idle       int64          // ms of silence in both directions after which it ends
	until      int64          // ms of the loop's clock at which it ends whatever happens; 0: never
	halfClosed int64          // ms that idle is at most once one direction has ended; 0: as before
	strict     bool           // an end of TLS without close_notify resets the other side
	linger     int64          // ms that the other direction may last after the first has ended; 0: no such limit
	ended      bool
	why        reason.Reason // of the end
}

// owner is told of what moves, and once of the end: both connections are closed then.
type owner interface {
	moved(d *direction, n int64)
	over()
}

// direction moves the bytes of one connection, src, to the other, dst. It is the handler of src: a coroutine runs it while there is more than the loop passes
// on by itself, and no longer.
type direction struct {
	r        *relay
	sum      int64
	side     uint8 // of src in ends
	isDone   bool  // src has ended, and dst was told
	isMoving bool  // a coroutine is at it
	inBulk   bool  // the last burst was large: the kernel moves the bytes
}

func (d *direction) src() engine.Conn { return d.r.ends[d.side] }
func (d *direction) dst() engine.Conn { return d.r.ends[1-d.side] }

// start begins to relay. Both connections are the relay's from here on.
func (r *relay) start(client, server engine.Conn) {
	r.loop, r.ends = client.Loop(), [2]engine.Conn{client, server}
	r.lastByte = r.loop.Now()
	r.up, r.down = direction{r: r}, direction{r: r, side: 1}
	r.down.rest()
	// What the client has sent meanwhile is there without a wait.
	client.SetReadTimeout(0)
	r.up.Serve(client)
}

// rest gives src back to its loop until bytes come, or its end, or it is time to look at the clock.
func (d *direction) rest() {
	d.src().SetReadTimeout(d.r.left())
	if d.inBulk {
		d.src().Await(d)
		return
	}
	engine.AwaitForward(d.src(), d, d.dst())
}

// Forwarded counts what the loop has passed on, and keeps what it could not.
func (d *direction) Forwarded(n int, rest []byte) {
	l := d.r.loop
	d.r.lastByte = l.Now()
	d.count(int64(n))
	if len(rest) > 0 {
		d.r.unsent[d.side] = append(l.Buffer(len(rest))[:0], rest...)
	}
}

// left is how long the relay may be silent from now on.
func (r *relay) left() time.Duration {
	at := r.lastByte + r.idle
	if r.until != 0 {
		at = min(at, r.until)
	}
	return time.Duration(max(1, at-r.loop.Now())) * time.Millisecond
}

// Serve moves what has come.
func (d *direction) Serve(engine.Conn) {
	if d.r.ended || d.isDone || d.isMoving {
		return
	}
	d.isMoving = true
	goesOn := d.move()
	d.isMoving = false
	if goesOn {
		d.rest()
	}
}

// Panicked ends a relay that panicked.
func (d *direction) Panicked() { d.r.end(reason.Panicked) }

// move moves bytes until src has none; false when nothing will follow.
func (d *direction) move() bool {
	switch some, err := d.writeUnsent(); {
	case err != nil:
		return d.failed(err)
	case some:
		return !d.r.ended
	}
	if d.inBulk {
		return d.splice()
	}
	l := d.r.loop
	buf := l.Buffer(engine.Buffer16K)
	for {
		n, err := d.src().Read(buf)
		if err == nil {
			err = d.write(buf[:n])
		}
		if err != nil {
			l.Release(buf)
			return d.failed(err)
		}
		if d.r.ended {
			l.Release(buf)
			return false
		}
		if n < len(buf) {
			if d.src().IsGone() {
				continue // the end is there too, or why there is none
			}
			l.Release(buf)
			return true
		}
		if engine.CanSplice(d.dst(), d.src()) {
			l.Release(buf)
			return d.splice()
		}
		d.src().SetReadTimeout(lingers)
	}
}

// lingers is how long a coroutine waits for more after a read that filled its buffer, before it gives coroutine and buffer back.
const lingers = 20 * time.Millisecond

// writeError is a failure of dst.
type writeError struct{ error }

func (d *direction) write(b []byte) error {
	r := d.r
	r.lastByte = r.loop.Now()
	d.dst().SetWriteTimeout(time.Duration(r.idle) * time.Millisecond)
	n, err := d.dst().Write(b)
	d.count(int64(n))
	if err != nil {
		return writeError{err}
	}
	return nil
}

func (d *direction) count(n int64) {
	d.sum += n
	d.r.owner.moved(d, n)
}

// writeUnsent writes what the loop has not passed on, if anything.
func (d *direction) writeUnsent() (some bool, err error) {
	b := d.r.unsent[d.side]
	if b == nil {
		return false, nil
	}
	d.r.unsent[d.side] = nil
	err = d.write(b)
	d.r.loop.Release(b)
	return true, err
}

// spliceMost is what one call asks the kernel to move; the pipe bounds it.
const spliceMost = 1 << 20

// bulkLeast is the burst below which copying costs less than a pipe.
const bulkLeast = 32 << 10

// splice has the kernel move what src has.
func (d *direction) splice() bool {
	r, sum := d.r, d.sum
	for {
		d.dst().SetWriteTimeout(time.Duration(r.idle) * time.Millisecond)
		n, err := engine.SpliceNow(d.dst(), d.src(), spliceMost)
		if n > 0 {
			r.lastByte = r.loop.Now()
			d.count(n)
		}
		var w *engine.SpliceWriteError
		switch {
		case err == engine.ErrNoSplice: // no pipe is to be had
			d.inBulk = false
			return true
		case errors.As(err, &w):
			return d.failed(writeError{w.Err})
		case err != nil:
			return d.failed(err)
		case r.ended:
			return false
		case n == 0:
			d.inBulk = d.sum-sum >= bulkLeast
			return true
		}
	}
}

// failed settles what a read or write ended with, and reports whether the direction goes on.
func (d *direction) failed(err error) bool {
	r := d.r
	var w writeError
	switch {
	case r.ended:
	case errors.As(err, &w):
		d.cannotWrite(w.error)
	case err == io.EOF:
		d.finish()
	case err == io.ErrUnexpectedEOF: // a wrapped one is the end of a connection that carried more than this: see package stream
		d.truncated()
	case err == engine.ErrTimeout: // a wrapped one is the end of the connection: see package stream
		return !r.isOverdue()
	case errors.Is(err, engine.ErrInterrupted):
		d.interrupted()
	default:
		r.resetBy(d.src())
	}
	return false
}

// finish tells dst that nothing more will come from src.
func (d *direction) finish() {
	if d.r.other(d).isDone {
		d.isDone = true
		d.r.end(reason.Done) // closes dst
		return
	}
	d.halfClose(d.dst().CloseWrite)
}

// deliverWithin bounds the wait for dst to take what was sent, before its connection is reset.
const deliverWithin = 3 * time.Second

// truncated handles the end of src, which has TLS, without close_notify. If dst has TLS, it ends in the same way. If dst is clear text, only a reset can tell it.
// RFC 8446 section 6.1: "If a transport-level close is received prior to a "close_notify", the receiver cannot know that all the data that was sent has been received."
func (d *direction) truncated() {
	to, hasTLS := d.dst().(interface{ CloseWriteMute() error })
	switch {
	case hasTLS:
		d.halfClose(to.CloseWriteMute)
	case !d.r.strict:
		d.finish()
	default:
		engine.AwaitSent(d.dst(), deliverWithin)
		if !d.r.ended {
			d.r.resetBy(d.src())
		}
	}
}

// halfClose ends the direction; closeWrite tells dst.
func (d *direction) halfClose(closeWrite func() error) {
	r := d.r
	d.isDone = true
	other := r.other(d)
	switch err := closeWrite(); {
	case other.isDone:
		r.end(reason.Done)
		return
	case err != nil:
		r.resetBy(d.dst())
		return
	}
	if r.linger > 0 {
		r.until = r.loop.Now() + r.linger
	}
	if r.halfClosed > 0 {
		r.idle, r.lastByte = min(r.idle, r.halfClosed), r.loop.Now()
	}
	if r.linger+r.halfClosed > 0 && !other.isMoving && other.src().Reclaim() {
		other.rest() // under the new limit
	}
	// Nobody reads src any more, so that a reset would go unnoticed as long as nothing is written to it.
	d.src().Watch(d)
}

// Changed ends the wait for the other side when a connection is lost from which nobody reads any more.
func (d *direction) Changed(what engine.Change) {
	if what == engine.Gone && !d.r.ended {
		d.dst().Interrupt()
	}
}

// interrupted finds out why the wait for src ended: the peer that has finished has reset its connection now, or somebody ends the tunnel.
func (d *direction) interrupted() {
	r := d.r
	if r.other(d).isDone {
		d.dst().Watch(nil)
		r.resetBy(d.dst())
		return
	}
	r.end(reason.Stopping)
}

func (d *direction) cannotWrite(err error) {
	r := d.r
	switch {
	case errors.Is(err, engine.ErrTimeout):
		r.end(r.blame(d.dst(), reason.TunnelClientStalled, reason.TunnelServerStalled))
	case errors.Is(err, engine.ErrInterrupted):
		r.end(reason.Stopping)
	default:
		r.resetBy(d.dst())
	}
}

// isOverdue ends a relay whose time is over.
func (r *relay) isOverdue() bool {
	now := r.loop.Now()
	switch {
	case r.until != 0 && now >= r.until && r.linger > 0:
		r.end(reason.Done) // the peer has been told that no more comes, and may still be reading what the system has for it
	case r.until != 0 && now >= r.until:
		r.end(reason.TunnelLifetime)
	case now-r.lastByte >= r.idle:
		r.end(reason.TunnelIdle)
	default:
		return false
	}
	return true
}

func (r *relay) other(d *direction) *direction {
	if d == &r.up {
		return &r.down
	}
	return &r.up
}

// blame chooses by whose connection it is.
func (r *relay) blame(c engine.Conn, client, server reason.Reason) reason.Reason {
	if c == r.ends[0] {
		return client
	}
	return server
}

// resetBy ends a relay one of whose connections was reset: the other is too.
func (r *relay) resetBy(c engine.Conn) {
	r.end(r.blame(c, reason.TunnelClientReset, reason.TunnelServerReset))
}

// end closes both connections. What did not end by itself is reset, silence too: nobody is to take what has come for the whole.
func (r *relay) end(why reason.Reason) {
	if r.ended {
		return
	}
	r.ended, r.why = true, why
	for i, c := range r.ends {
		c.Watch(nil)
		if why == reason.Done {
			c.Close()
		} else {
			c.Reset()
		}
		r.loop.Release(r.unsent[i])
		r.unsent[i] = nil
	}
	r.owner.over()
}
