package engine

import (
	"errors"
	"net/netip"
	"time"
)

// Conn is a byte stream as handlers see it, in the shape of net.Conn. All methods are called on the connection's loop.
type Conn interface {
	// Read reads at least one byte into p, which must not be empty; it parks until there is one. io.EOF when the peer has
	// finished, ErrTimeout at the read deadline, ErrInterrupted after Interrupt. After the connection has failed, reads return that error and
	// never io.EOF, even if another call reported it first.
	Read(p []byte) (int, error)
	// Write writes all of p or fails; it parks while the peer does not read. It borrows p. The write deadline bounds each pause in which the
	// peer takes nothing: it moves on with every part of p that is taken.
	Write(p []byte) (int, error)
	// WriteBuffers writes a and then b, in one system call where the system has one; as Write otherwise.
	WriteBuffers(a, b []byte) (int, error)
	// SetReadTimeout and SetWriteTimeout set the deadline of this and later waits, counted from the current turn. There is no
	// way to wait without one: a connection that has none set waits DefaultTimeout.
	SetReadTimeout(d time.Duration)
	SetWriteTimeout(d time.Duration)
	// CloseWrite tells the peer that nothing more will come.
	CloseWrite() error
	// Close ends the connection at once and wakes who waits on it with ErrClosed. It may be called again.
	Close() error
	// Reset is Close with a reset in place of an end, so that the peer does not take what came for the whole.
	Reset() error
	// Await gives the connection back to its loop: h.Serve runs on a new coroutine when bytes, the end, or the read deadline
	// come. The caller must not touch the connection afterwards, except by Reclaim.
	Await(h Handler)
	// Reclaim takes back an awaited connection for use; false when it is no longer idle and clean: its handler is
	// about to run or has run.
	Reclaim() bool
	// IsIdle reports whether an idle connection is still clean after its event: nothing unasked for arrived,
	// the peer has not closed, and the read deadline is ahead. It consumes what a layer below the application protocol sent, such as session tickets.
	IsIdle() bool
	// Interrupt makes waits that run now or come later on this connection return ErrInterrupted, until ClearInterrupt; the handler of
	// an awaited connection runs.
	Interrupt()
	ClearInterrupt()
	// Watch has w told what becomes of the connection while nobody reads from it, and of its loss at any time; nil ends that. What has happened already is told
	// at once. Connections of package net look 4 KiB ahead for it.
	Watch(w Watcher)
	// IsGone reports whether the peer has reset the connection or said that nothing more will come, as far as the loop has seen.
	IsGone() bool
	LocalAddr() netip.AddrPort
	RemoteAddr() netip.AddrPort
	Loop() *Loop
}

// SetEnds has c say other addresses than its socket's, as a proxy in front has told them. An invalid one changes nothing.
func SetEnds(c Conn, local, remote netip.AddrPort) {
	if bare, ok := c.(interface {
		setEnds(local, remote netip.AddrPort)
	}); ok {
		bare.setEnds(local, remote)
	}
}

// Moving is a connection on its way from one loop to another: Leave takes it from one, Settle gives it to the other.
type Moving struct {
	fd            int
	local, remote netip.AddrPort
}

// Peek is Read that leaves the bytes where they are: it fills p with what has come, and parks until that is more than seen bytes. It works on
// bare sockets, and on what a portable engine has in their place, while nobody else reads; ErrNotBare elsewhere.
func Peek(c Conn, p []byte, seen int) (int, error) {
	if bare, ok := c.(interface {
		peek(p []byte, seen int) (int, error)
	}); ok {
		return bare.peek(p, seen)
	}
	return 0, ErrNotBare
}

// WaitArrival parks until there may be something to read, so that the caller need hold no buffer meanwhile; the errors are Read's. It returns at once
// where only a Read can tell.
func WaitArrival(c Conn) error {
	if bare, ok := c.(interface{ waitArrival() error }); ok {
		return bare.waitArrival()
	}
	return nil
}

// Handler serves a connection in direct style. Serve returns after it closed the connection or gave it back with Await.
type Handler interface{ Serve(c Conn) }

// Runner is work in direct style on a loop, without a connection of its own.
type Runner interface{ Run() }

// DefaultTimeout is the deadline of a wait for which none was set.
const DefaultTimeout = 60 * time.Second

// What a wait can end with besides bytes, io.EOF and the system's errors.
var (
	ErrTimeout     = errors.New("timeout")
	ErrClosed      = errors.New("connection closed")
	ErrInterrupted = errors.New("interrupted")

	// ErrNotBare is said of a connection that is more than a socket.
	ErrNotBare = errors.New("no bare socket")
)
