package attempt

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// Conns is where the loop keeps its connections to s.
func Conns(l *engine.Loop, s *pool.Server) *transport.Conns {
	load := s.Load(l.Index)
	conns, _ := load.Transport.(*transport.Conns)
	if conns == nil {
		conns = transport.NewConns(l)
		load.Transport = conns
	}
	return conns
}

// Address is where the engine reaches s.
func Address(s *pool.Server) engine.Address {
	return engine.Address{IP: s.Address.AddrPort, Path: s.Address.Path}
}

// Dialing is how a connection to s is opened, within connect, under what an attempt holds.
func Dialing(s *pool.Server, connect time.Duration, held *pool.Held) transport.Dialing {
	return transport.Dialing{Address: Address(s), Server: s.Host, Connect: connect, Places: Places(held.Connections)}
}

// Dial opens a connection to s. Of a server that has as many connections as it may have it takes one that is idle on another loop, if d.Reuse
// says that it may have had requests before; else, and where it cannot be moved, another is opened in place of one that is idle. Requests are
// not more than connections may be, so there is one. It parks.
func Dial(l *engine.Loop, s *pool.Server, config *transport.Config, d transport.Dialing) (conn *transport.Conn, err error) {
	conns := Conns(l, s)
	by := l.Now() + int64(d.Connect/time.Millisecond)
	for conn, err = conns.Dial(config, d); err == transport.ErrLimit && l.Now() < by && !d.Cancel.IsCalled(); conn, err = conns.Dial(config, d) {
		if conns.CloseOldest(l.Now()) {
			continue
		}
		moved, found := takeElsewhere(l, s, d.Reuse)
		if moved != nil {
			return conns.Join(moved)
		}
		if !found {
			l.Sleep(2 * time.Millisecond) // one is about to be closed
		}
	}
	return conn, err
}

// takeElsewhere has another loop give away, or close, an idle connection to the server; found is false if none has one.
func takeElsewhere(here *engine.Loop, s *pool.Server, reuse bool) (moved *transport.Moved, found bool) {
	loops := here.Engine().Loops()
	for i := range len(loops) - 1 {
		if moved, found = takeFrom(here, loops[(here.Index+1+i)%len(loops)], s, reuse); found {
			break
		}
	}
	return moved, found
}

// elsewhereMost is how long another loop may take to say what it has.
const elsewhereMost = time.Second

func takeFrom(here, there *engine.Loop, s *pool.Server, reuse bool) (*transport.Moved, bool) {
	answer := &struct {
		signal engine.Signal
		moved  *transport.Moved
		found  bool
		late   bool // nobody waits any more
	}{}
	there.Post(func() {
		var moved *transport.Moved
		found := false
		if conns, _ := s.Load(there.Index).Transport.(*transport.Conns); conns != nil {
			if reuse {
				moved = conns.Part()
			}
			found = moved != nil || conns.CloseOldest(there.Now())
		}
		here.Post(func() {
			if answer.late && moved != nil {
				if c, err := Conns(here, s).Join(moved); err == nil {
					c.Close()
				}
				return
			}
			answer.moved, answer.found = moved, found
			here.Fire(&answer.signal)
		})
	})
	here.Wait(&answer.signal, elsewhereMost)
	answer.late = true
	return answer.moved, answer.found
}

// Failure is why a connection could not be opened, and what that says of the server.
func Failure(err error) (reason.Reason, pool.Outcome) {
	var tlsErr *transport.TLSError
	switch {
	case errors.Is(err, engine.ErrInterrupted):
		return reason.ClientGone, pool.Cancelled
	case errors.As(err, &tlsErr):
		return reason.ConnectTLS, pool.ConnectFailed
	case errors.Is(err, engine.ErrTimeout):
		return reason.ConnectTimeout, pool.ConnectFailed
	case errors.Is(err, transport.ErrLimit), errors.Is(err, transport.ErrPorts), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return reason.ConnectLimit, pool.Cancelled
	}
	return reason.ConnectRefused, pool.ConnectFailed
}

// NoServer is the reason of work that got no server.
func NoServer(why pool.Reason) reason.Reason {
	switch why {
	case pool.NoServers:
		return reason.PoolEmpty
	case pool.NotResolved:
		return reason.PoolUnresolved
	case pool.Full:
		return reason.PoolFull
	case pool.Shed:
		return reason.Shed
	case pool.WaitedTooLong:
		return reason.QueueTimeout
	case pool.Left:
		return reason.ClientGone
	case pool.NotCaptured:
		return reason.NotCaptured
	}
	return reason.PoolDown
}

// ToOriginal is Admit for work of a client that wanted to go to an address, with a pool of such. own is the port of the listener, to which only those
// come that were not captured.
func ToOriginal(l *engine.Loop, p *pool.Pool, to netip.AddrPort, own uint16) (*pool.Server, pool.Reason) {
	if !to.IsValid() || own == 0 || to.Port() == own {
		return nil, pool.NotCaptured
	}
	s, forgotten := p.AdmitOriginal(l.Index, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	if forgotten != nil {
		CloseIdle(forgotten.Load(l.Index))
	}
	return s, pool.Picked
}

// FallsBack reports whether the pool that stands in for d takes work that got no server: one that is only full is not helped by sending
// its work where it does not belong.
func FallsBack(d *site.Destination, why pool.Reason) bool {
	return d.Fallback != nil && (why == pool.AllDown || why == pool.NoServers || why == pool.NotResolved)
}

// KeepWarm keeps connections ready to the servers of d that get work. On the loop.
func KeepWarm(l *engine.Loop, d *site.Destination) {
	set := d.Pool.Set()
	for _, s := range set.Servers {
		if s.Health() == pool.Down || set.State(s) != pool.Available || s.IsEjected(l.Now()) {
			continue
		}
		Conns(l, s).KeepWarm(d.Transport, transport.Dialing{Address: Address(s), Server: s.Host, Places: Places(set.Connections(s))})
	}
}

// CloseIdle ends the idle connections that a loop keeps to a server, as when it has left its pool. On that loop.
func CloseIdle(load *pool.Load) {
	if conns, _ := load.Transport.(*transport.Conns); conns != nil {
		conns.CloseIdle()
	}
}

// Renew has a loop's connections to s that are of an older generation not used for another request. On that loop.
func Renew(l *engine.Loop, s *pool.Server, generation uint64) { Conns(l, s).Renew(generation) }
