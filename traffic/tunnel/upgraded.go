package tunnel

import (
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// Relayed is what an upgraded exchange's tunnel has moved.
type Relayed struct{ Sent, Received int64 } // bytes from a to b, from b to a

// Relay relays until both directions have ended, and closes both connections then. It parks.
func Relay(a, b engine.Conn, idle time.Duration) Relayed {
	return (&upgraded{}).run(a, b, idle, 0)
}

// RelayOne is Relay for bytes of one direction, whichever that is: the other may be open for linger after it has ended, so that what TLS still says is
// read. count is called with bytes as they go, to b and to a. It reports whether a's peer broke it off.
func RelayOne(a, b engine.Conn, idle, linger time.Duration, count func(toB, toA int64)) (isBroken bool) {
	u := &upgraded{count: count}
	u.run(a, b, idle, linger)
	return u.why == reason.TunnelClientReset
}

func (u *upgraded) run(a, b engine.Conn, idle, linger time.Duration) Relayed {
	u.idle, u.linger, u.owner = idle.Milliseconds(), linger.Milliseconds(), u
	u.start(a, b)
	for !u.loop.Wait(&u.ending, time.Hour) {
	}
	return Relayed{u.up.sum, u.down.sum}
}

// upgraded is a relay that a coroutine waits for.
type upgraded struct {
	relay
	ending engine.Signal
	count  func(toB, toA int64) // nil: nobody counts
}

func (u *upgraded) moved(d *direction, n int64) {
	switch {
	case u.count == nil:
	case d == &u.up:
		u.count(n, 0)
	default:
		u.count(0, n)
	}
}
func (u *upgraded) over() { u.loop.Fire(&u.ending) }
