package tunnel

import (
	"time"

	"github.com/weir-proxy/weir/engine"
)

// Relayed is what an upgraded exchange's tunnel has moved.
type Relayed struct{ Sent, Received int64 } // bytes from a to b, from b to a

// Relay relays until both directions have ended, and closes both connections then. It parks.
func Relay(a, b engine.Conn, idle time.Duration) Relayed {
	return relayFor(a, b, idle, 0)
}

// RelayOne is Relay for bytes of one direction, whichever that is: the other may be open for linger after it has ended, so that what TLS still says is
// read.
func RelayOne(a, b engine.Conn, idle, linger time.Duration) Relayed {
	return relayFor(a, b, idle, linger)
}

func relayFor(a, b engine.Conn, idle, linger time.Duration) Relayed {
	u := &upgraded{}
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
}

func (u *upgraded) moved(*direction, int64) {}
func (u *upgraded) over()                   { u.loop.Fire(&u.ending) }
