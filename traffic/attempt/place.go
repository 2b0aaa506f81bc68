package attempt

import (
	"net/netip"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/transport"
)

// lookEvery is how often work that waits looks up: whether its client is still there, and, if it is the next, whether a server has come
// back. An end of other work wakes it at once.
const lookEvery = 100 * time.Millisecond

// Asker is work that needs a server.
type Asker interface {
	// Admit asks the pool, by pool.Admit or pool.AdmitTo.
	Admit(queued bool) (*pool.Server, pool.Reason)
	// HasLeft reports whether there is nobody any more to do the work for.
	HasLeft() bool
}

// Place is the place of an attempt under the limits of its pool: where it waits, and what it holds. Part of what makes the attempt, owned
// by its loop; the zero Place holds nothing.
type Place struct {
	Held    pool.Held
	waiter  pool.Waiter
	waiting bool // in the pool's queue
	loop    *engine.Loop
	room    engine.Signal
}

// Queue waits for a server of the pool to have room, at most until by (ms of the loop's clock, 0: as long as the pool lets it). It parks.
func (p *Place) Queue(l *engine.Loop, from *pool.Pool, client netip.Addr, class pool.Class, by int64, a Asker) (s *pool.Server, why pool.Reason) {
	last := l.Now() + from.QueueWait()
	if by != 0 {
		last = min(last, by)
	}
	p.loop, p.room = l, engine.Signal{}
	p.waiter.Client, p.waiter.Class, p.waiter.Wake = engine.Network(client), class, p
	if why = from.Enqueue(l.Index, l.Now(), &p.waiter); why != pool.Picked {
		return nil, why
	}
	p.waiting = true
	defer func() { p.leave(from, s, why) }()
	for {
		left := time.Duration(last-l.Now()) * time.Millisecond
		woken := l.Wait(&p.room, max(min(left, lookEvery), time.Millisecond))
		switch {
		case p.waiter.Shed:
			return nil, pool.Shed
		case a.HasLeft():
			return nil, pool.Left
		case woken || from.IsNext(l.Index, &p.waiter):
			if s, why = a.Admit(true); why != pool.Full {
				return s, why
			}
		}
		if l.Now() >= last {
			return nil, pool.WaitedTooLong
		}
		if !p.waiter.IsInLine() {
			from.Requeue(l.Index, &p.waiter)
		}
	}
}

// Wake has the work that waits in the pool's queue look for room. On its loop.
func (p *Place) Wake() { p.loop.Fire(&p.room) }

// Leave ends a wait that a panic has left behind.
func (p *Place) Leave(from *pool.Pool) { p.leave(from, nil, pool.Left) }

// leave ends the wait, with the server that was got or nil. Work that was woken and did not get a server wakes the next.
func (p *Place) leave(from *pool.Pool, got *pool.Server, why pool.Reason) {
	if !p.waiting {
		return
	}
	p.waiting = false
	at := p.loop.Index
	wasWoken := !p.waiter.IsInLine()
	from.Leave(at, p.loop.Now(), &p.waiter, why)
	switch {
	case got != nil && from.HasRoom(at, got, &p.Held):
		wakeNext(from, p.loop, at) // a server came back, or is held back no more: the queue need not wait for ends
	case got == nil && wasWoken:
		wakeNext(from, p.loop, from.Settle(at, nil, &p.Held))
	}
}

// Settle gives back what an attempt at s held, and lets who waits for it have it. It follows pool.End.
func (p *Place) Settle(l *engine.Loop, from *pool.Pool, s *pool.Server) { Settle(l, from, s, &p.Held) }

// Settle is Place.Settle for what is held without a place to wait.
func Settle(l *engine.Loop, from *pool.Pool, s *pool.Server, held *pool.Held) {
	wakeNext(from, l, from.Settle(l.Index, s, held))
}

// wakeNext wakes work that waits on the loop, or, if none does any more, on another. It goes round the loops twice at most.
func wakeNext(p *pool.Pool, here *engine.Loop, loop int) {
	if loop >= 0 {
		hop(p, here, loop, 2*len(here.Engine().Loops()))
	}
}

func hop(p *pool.Pool, here *engine.Loop, loop, hops int) {
	for ; loop >= 0 && hops > 0; hops-- {
		if loop != here.Index {
			there := here.Engine().Loops()[loop]
			there.Post(func() { hop(p, there, loop, hops-1) })
			return
		}
		loop = p.WakeNext(loop, here.Now())
	}
}

// Places is the limit to the connections of the server that was picked; nil if there is none.
func Places(b *pool.Bound) transport.Places {
	if b == nil {
		return nil
	}
	return b
}
