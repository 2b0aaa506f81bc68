package exchange

import (
	"math/rand/v2"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/transport"
)

// lookEvery is how often a request that waits looks up: whether its client is still there, and, if it is the next, whether a server
// has come back. An end of another request wakes it at once.
const lookEvery = 100 * time.Millisecond

// queue waits for a server of the pool to have room.
func (x *Exchange) queue() (s *pool.Server, why pool.Reason) {
	p, at := x.destination.Pool, x.at.loop.Index
	by := x.at.loop.Now() + p.QueueWait()
	if x.by != 0 {
		by = min(by, x.by)
	}
	x.waiter.Client, x.waiter.Class, x.waiter.Wake = x.from, x.route.Class, x
	x.room = engine.Signal{}
	if why = p.Enqueue(at, x.at.loop.Now(), &x.waiter); why != pool.Picked {
		return nil, why
	}
	x.waiting = true
	defer func() { x.leaveQueue(s) }()
	for {
		left := time.Duration(by-x.at.loop.Now()) * time.Millisecond
		woken := x.at.loop.Wait(&x.room, max(min(left, lookEvery), time.Millisecond))
		switch {
		case x.waiter.Shed:
			return nil, pool.Shed
		case x.client.IsGone():
			return nil, pool.Left
		case woken || p.IsNext(at, &x.waiter):
			if s, why = x.admit(true); why != pool.Full {
				return s, why
			}
		}
		if x.at.loop.Now() >= by {
			return nil, pool.WaitedTooLong
		}
		if !x.waiter.IsInLine() {
			p.Requeue(at, &x.waiter)
		}
	}
}

// Wake has the request that waits in the pool's queue look for room. On its loop.
func (x *Exchange) Wake() { x.at.loop.Fire(&x.room) }

// leaveQueue ends the wait, with the server that was got or nil. A request that was woken and found another end passes the word on.
func (x *Exchange) leaveQueue(got *pool.Server) {
	if !x.waiting {
		return
	}
	x.waiting = false
	p, at := x.destination.Pool, x.at.loop.Index
	wasWoken := !x.waiter.IsInLine()
	p.Leave(at, &x.waiter)
	switch {
	case got != nil && p.HasRoom(at, got, &x.held):
		x.wakeNext(p, at) // a server came back, or is held back no more: the queue need not wait for ends
	case got == nil && wasWoken:
		x.wakeNext(p, p.Settle(at, nil, &x.held))
	}
}

// settleHeld gives back what the attempt held, and lets a request have it that waits for it.
func (x *Exchange) settleHeld(p *pool.Pool) {
	if wake := p.Settle(x.at.loop.Index, x.server, &x.held); wake >= 0 {
		x.wakeNext(p, wake)
	}
}

func (x *Exchange) wakeNext(p *pool.Pool, loop int) {
	x.driver.wakeNext(p, x.at, loop, 2*len(x.driver.loops))
}

// wakeNext wakes a request that waits on the loop, or, if none does any more, on another. It stops after so many loops.
func (d *Driver) wakeNext(p *pool.Pool, here *perLoop, loop, hops int) {
	for ; loop >= 0 && hops > 0; hops-- {
		if loop != here.loop.Index {
			there := d.loops[loop]
			there.loop.Post(func() { d.wakeNext(p, there, loop, hops-1) })
			return
		}
		loop = p.WakeNext(loop, here.loop.Now())
	}
}

// retryInMost bounds the seconds after which a shed client is asked to come back: apart, so that they do not all come back at once.
const retryInMost = 4

// shed answers 503 without having asked a server.
func (x *Exchange) shed(why reason.Reason) Stage {
	next := x.fail(503, why)
	x.local.retryIn = 1 + rand.IntN(retryInMost)
	return next
}

// connectionPlaces is the limit to the connections of the server that was picked; nil if there is none.
func (x *Exchange) connectionPlaces() transport.Places { return placesOf(x.held.Connections) }

func placesOf(b *pool.Bound) transport.Places {
	if b == nil {
		return nil
	}
	return b
}

// dialInPlaceOfAnother opens a connection to a server that has as many as it may have. Requests are not more than connections may be,
// so one of these is idle on another loop, and is closed.
func (x *Exchange) dialInPlaceOfAnother(conns *transport.Conns) (conn *transport.Conn, err error) {
	by := x.at.loop.Now() + int64(x.connectTimeout()/time.Millisecond)
	for err = transport.ErrLimit; err == transport.ErrLimit && x.at.loop.Now() < by; {
		if !conns.CloseOldest() && !x.closeElsewhere() {
			x.at.loop.Sleep(2 * time.Millisecond) // one is about to be closed
		}
		conn, err = x.dial(conns)
	}
	return conn, err
}

// closeElsewhere has another loop close an idle connection to the server; false if none has one.
func (x *Exchange) closeElsewhere() bool {
	here, server := x.at.loop, x.server
	for i := range len(x.driver.loops) - 1 {
		there := x.driver.loops[(here.Index+1+i)%len(x.driver.loops)].loop
		answer := &struct {
			signal engine.Signal
			closed bool
		}{}
		there.Post(func() {
			conns, _ := server.Load(there.Index).Transport.(*transport.Conns)
			closed := conns != nil && conns.CloseOldest()
			here.Post(func() {
				answer.closed = closed
				here.Fire(&answer.signal)
			})
		})
		here.Wait(&answer.signal, time.Second)
		if answer.closed {
			return true
		}
	}
	return false
}
