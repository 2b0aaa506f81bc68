package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/control/systemd"
)

// inheritance is what the process begins with: the sockets of the service manager, or all of a process that it replaces.
type inheritance struct {
	channel *handover.Channel // nil: nobody is replaced
	state   *handover.State
}

func (s *server) whatWasLeft() (*inheritance, error) {
	channel := handover.Inherited()
	if channel == nil {
		return &inheritance{state: &handover.State{Listeners: systemd.Sockets()}}, nil
	}
	state, err := channel.ReceiveState(time.Now().Add(takeoverDefault))
	if err != nil {
		return nil, err
	}
	return &inheritance{channel, state}, nil
}

// refuse says why the process does not take over.
func (b *inheritance) refuse(err error) {
	if b.channel == nil {
		return
	}
	if errors.Is(err, cli.ErrNotSo) {
		err = errors.New("its configuration has errors")
	}
	b.channel.Send(handover.Message{Kind: handover.Failed, Why: err.Error()})
}

// settleWithin is how long the first checks of all servers may take. What is not known by then counts as it did in the process before.
const settleWithin = 3 * time.Second

// takeOver takes over from the process at the other end, once everything is ready.
func (s *server) takeOver(d *lifecycle.Daemon, c *handover.Channel) error {
	if err := d.Settle(time.Now().Add(settleWithin)); err != nil {
		return err
	}
	said, err := s.awaitGo(d, c)
	if handover.HasEnded(err) {
		// It would have ended this process, had it wanted to go on. All that it had is here, but for what it knew of clients and flows.
		s.log.Warn("the process before has ended before this one took over; this one serves by itself", "error", err)
	} else if err != nil {
		return err
	}
	d.Begin()
	if err := s.admin.Apply(d.Config()); err != nil {
		return err
	}
	if err := c.Send(handover.Message{Kind: handover.Serving}); err != nil && !handover.HasEnded(err) {
		return err
	}
	d.ReceiveConnections(c, said.Watches)
	return nil
}

// awaitGo says that this process is ready and waits for the one before to say go, with the flows of datagrams.
func (s *server) awaitGo(d *lifecycle.Daemon, c *handover.Channel) (said handover.Message, err error) {
	if err := c.Send(handover.Message{Kind: handover.Ready, Adopted: d.Adopted(), QUIC: d.AdoptedQUIC(), Takes: true, Watches: true}); err != nil {
		return said, err
	}
	said, err = d.AwaitGo(c, time.Now().Add(takeoverDefault))
	if err != nil {
		return said, fmt.Errorf("the old process did not say go: %w", err)
	}
	if !said.Takes {
		return said, nil
	}
	if err := d.TakeFlows(c, time.Now().Add(takeoverDefault)); err != nil {
		return said, fmt.Errorf("flows of datagrams: %w", err)
	}
	return said, nil
}

// petWatchdog tells the service manager that the loops turn, for as long as they do.
func (s *server) petWatchdog(tookOver bool, ended <-chan struct{}) {
	every := systemd.Watchdog(tookOver) / 2
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if s.daemon.Load().Turns() {
			systemd.Alive()
		}
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}
