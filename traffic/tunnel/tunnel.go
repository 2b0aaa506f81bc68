package tunnel

import (
	"errors"
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// Tunnel is a pair of connections. Owned by their loop.
type Tunnel struct {
	Idle           time.Duration // silence in both directions after which the tunnel ends
	Sent, Received int64         // bytes from a to b, from b to a

	loop     *engine.Loop
	a, b     engine.Conn
	lastByte int64
	back     engine.Signal
}

// Relay relays until both directions have ended, and closes nothing.
func Relay(a, b engine.Conn, idle time.Duration) *Tunnel {
	t := &Tunnel{Idle: idle, loop: a.Loop(), a: a, b: b, lastByte: a.Loop().Now()}
	t.loop.Go(t)
	t.Sent = t.direction(b, a)
	for !t.loop.Wait(&t.back, time.Hour) {
	}
	return t
}

// Run relays the way back.
func (t *Tunnel) Run() {
	t.Received = t.direction(t.a, t.b)
	t.loop.Fire(&t.back)
}

// Panicked ends both directions.
func (t *Tunnel) Panicked() {
	t.a.Interrupt()
	t.b.Interrupt()
	t.loop.Fire(&t.back)
}

// direction copies src to dst until src ends, then tells dst; a failure ends both directions.
func (t *Tunnel) direction(dst, src engine.Conn) (moved int64) {
	for {
		n, readErr, writeErr := t.piece(dst, src)
		moved += n
		switch {
		case writeErr != nil: // bytes are lost: nothing may follow them
		case readErr == nil:
			continue
		case errors.Is(readErr, io.EOF):
			if dst.CloseWrite() == nil {
				return moved
			}
		case errors.Is(readErr, engine.ErrTimeout) && t.loop.Now()-t.lastByte < t.Idle.Milliseconds():
			continue // the other direction is alive
		}
		t.a.Interrupt()
		t.b.Interrupt()
		return moved
	}
}

// piece moves what src has.
func (t *Tunnel) piece(dst, src engine.Conn) (moved int64, readErr, writeErr error) {
	left := t.Idle - time.Duration(t.loop.Now()-t.lastByte)*time.Millisecond
	src.SetReadTimeout(max(left, time.Millisecond))
	dst.SetWriteTimeout(t.Idle)
	buf := t.loop.Buffer(engine.Buffer16K)
	defer t.loop.Release(buf)
	n, err := src.Read(buf)
	if err != nil {
		return 0, err, nil
	}
	t.lastByte = t.loop.Now()
	_, err = dst.Write(buf[:n])
	return int64(n), nil, err
}
