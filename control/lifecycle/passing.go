package lifecycle

import (
	"time"

	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
)

// This file is what else the process that takes over is told, so that clients stay with their servers and go on with their sessions of TLS.

// ticketSecrets are for the process that takes over.
func (d *Daemon) ticketSecrets() *handover.Tickets {
	secrets, made := d.running.Load().Tickets.Secrets()
	return &handover.Tickets{Secrets: secrets, Made: made}
}

// inheritTickets goes on with the secrets of the process before.
func (d *Daemon) inheritTickets(s *snapshot.Snapshot) {
	if d.options.Inherited == nil || d.options.Inherited.Tickets == nil {
		return
	}
	s.Tickets.Inherit(d.options.Inherited.Tickets.Secrets, d.options.Inherited.Tickets.Made)
	s.RotateTickets()
	d.options.Inherited.Tickets = nil
}

// passTables tells which client is with which server.
func (d *Daemon) passTables(c *handover.Channel, by time.Time) error {
	now := d.now()
	for name, t := range d.running.Load().Tables {
		if err := c.SendTable(by, name, t.Entries(now)); err != nil {
			return err
		}
	}
	return nil
}

// AwaitGo waits until the process before says go, which it returns, and hears until then which client is with which server.
func (d *Daemon) AwaitGo(c *handover.Channel, by time.Time) (handover.Message, error) {
	now := d.now()
	return c.ExpectAfter(handover.Go, by, func(m handover.Message, _ []int) {
		if t := d.running.Load().Tables[m.Address]; m.Kind == handover.Table && t != nil {
			t.Fill(m.Entries, now)
		}
	})
}

// now is in ms of the loops' clock.
func (d *Daemon) now() (now int64) {
	d.onEachLoop(func(l *engine.Loop) { now = l.Now() })
	return now
}
