package lifecycle

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/pool"
)

// This file is the side of the process that takes over; leave.go is that of the one before.

// inherited are the sockets of an address that another process has left. They are given out once.
func (d *Daemon) inherited(address string) []int {
	if d.options.Inherited == nil {
		return nil
	}
	sockets := d.options.Inherited.Listeners[address]
	if len(sockets) > 0 {
		delete(d.options.Inherited.Listeners, address)
		d.adopted = append(d.adopted, address)
	}
	return sockets
}

// dropInherited closes the sockets that the configuration has no listener for.
func (d *Daemon) dropInherited() {
	if d.options.Inherited == nil {
		return
	}
	for address, sockets := range d.options.Inherited.Listeners {
		d.log.Warn("no listener has the address of a socket that weir was started with; it is closed", "address", address)
		for _, fd := range sockets {
			syscall.Close(fd)
		}
	}
	clear(d.options.Inherited.Listeners)
}

// inheritHealth gives servers the health that they had in the process before, so that weir does not begin blind: its own checks go on from
// there.
func (d *Daemon) inheritHealth(s *snapshot.Snapshot) {
	if d.options.Inherited == nil {
		return
	}
	words := map[string]pool.Health{pool.Up.String(): pool.Up, pool.Down.String(): pool.Down}
	for _, was := range d.options.Inherited.Servers {
		for i := range s.Checks {
			if p := s.Checks[i].Pool; p.Name == was.Pool {
				for _, server := range p.Set().Servers {
					if health, known := words[was.Health]; known && server.Name == was.Name && server.Address.String() == was.Address {
						server.SetHealth(health)
					}
				}
			}
		}
	}
}

// Settle waits until every server has been checked once, at most until by, and returns why this process should not take over from the one
// before: its loops do not answer, or there is a pool of which that one had servers that are up and this one reaches none.
func (d *Daemon) Settle(by time.Time) error {
	for d.waitsForChecks() && time.Now().Before(by) {
		time.Sleep(drainEvery)
	}
	if !d.Turns() {
		return errors.New("its loops do not answer")
	}
	first := d.monitor.First()
	for _, was := range d.options.Inherited.Servers {
		if f := first[was.Pool]; was.Health == pool.Up.String() && f.Failed > 0 && f.Passed == 0 {
			return fmt.Errorf("pool %s: the check of each of its servers fails, and the process before had some that are up", was.Pool)
		}
	}
	return nil
}

// Turns reports whether every loop answers.
func (d *Daemon) Turns() bool { return d.engine.Stuck() == 0 && d.onEachLoop(func(*engine.Loop) {}) }

func (d *Daemon) waitsForChecks() bool {
	for _, f := range d.monitor.First() {
		if f.Waiting > 0 {
			return true
		}
	}
	return false
}

// Adopted are the addresses whose sockets came from the process before.
func (d *Daemon) Adopted() []string { return d.adopted }

// Begin accepts connections, where Options.Paused had weir wait.
func (d *Daemon) Begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused = false
	for _, o := range d.open {
		o.socket.Start()
		d.settleQUIC(o, o.socket.Address)
	}
}

// ReceiveConnections takes the connections that the process before passes on, until that has ended, and closes c. If that process watches this one, it is told that this one serves.
func (d *Daemon) ReceiveConnections(c *handover.Channel, watched bool) {
	received, told := make(chan struct{}), make(chan struct{})
	d.receiving.Store(true)
	orders := handover.NewOrders(c)
	d.before.Store(orders)
	go func() {
		defer close(received)
		d.receive(c, orders)
		orders.End()
		d.before.Store(nil)
		d.receiving.Store(false)
	}()
	go func() {
		defer close(told)
		if watched {
			d.sayAlive(c, orders)
		}
	}()
	d.done.Go(func() {
		select {
		case <-d.quit:
			c.HangUp()
			<-received
		case <-received:
		}
		<-told
		c.Close()
	})
}

// watcher is the process before this one, while it watches whether this one serves.
type watcher struct {
	mu sync.Mutex
	c  *handover.Channel // nil: nobody watches
}

func (w *watcher) set(c *handover.Channel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c = c
}

// tellStop tells the process before that this one ends because it was told to: it must not go on in its place.
func (w *watcher) tellStop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.c != nil {
		w.c.Send(handover.Message{Kind: handover.Stopping})
	}
}

// sayAlive tells the process before that this one serves, as long as every loop answers, until that process leaves or has ended.
func (d *Daemon) sayAlive(c *handover.Channel, orders *handover.Orders) {
	d.watcher.set(c)
	defer d.watcher.set(nil)
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		if d.Turns() {
			c.Send(handover.Message{Kind: handover.Alive})
		}
		select {
		case <-d.quit:
			return
		case <-orders.Taken():
			return
		case <-orders.Ended():
			return
		case <-tick.C:
		}
	}
}

func (d *Daemon) receive(c *handover.Channel, orders *handover.Orders) {
	for n := 0; ; {
		m, fds, err := c.Receive(time.Time{})
		if err != nil {
			d.log.Info("the process before has ended", "connections_taken_over", n)
			return
		}
		if orders.Hear(m) {
			closeAll(fds)
			continue
		}
		for _, fd := range fds {
			if m.Kind != handover.Connection || !d.resume(m, fd) {
				syscall.Close(fd)
				continue
			}
			n++
		}
	}
}

// resume reports whether the connection was taken.
func (d *Daemon) resume(m handover.Message, fd int) bool {
	d.mu.Lock()
	o := d.open[m.Address]
	d.mu.Unlock()
	return o != nil && d.engine.Take(fd, func(c engine.Conn) { o.handler.Resume(c, m.Requests) }) == nil
}
