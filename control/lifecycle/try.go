package lifecycle

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// This file tries what commit does and may fail, in the same order, and changes nothing. Not tried are routes that mark packets for this machine, which the kernel cannot rehearse, and addresses that overlap
// one that is open: a socket of UDP that is bound beside another takes its datagrams.

// try reports why commit would fail, and warns of what it would do without. The caller holds mu.
func (d *Daemon) try(next *snapshot.Snapshot) (warnings config.Problems, err error) {
	for i := range next.Listeners {
		l := &next.Listeners[i]
		for _, a := range l.Addresses {
			if err := d.tryAddress(l, a); err != nil {
				return warnings, fmt.Errorf("listener %s: %w", l.Name, err)
			}
			err := d.tryQUIC(l, a)
			if err == nil {
				continue
			}
			if !d.isCarried(a) {
				return warnings, fmt.Errorf("listener %s: %w", l.Name, err)
			}
			warnings = append(warnings, next.Config.WarningAt("listeners."+l.Name, "HTTP/3 would not be spoken: %v", err))
		}
	}
	if err := tryKernel(next); err != nil {
		return warnings, err
	}
	c, err := d.logConfig(next.Config)
	if err != nil {
		return warnings, err
	}
	return warnings, d.access.CanConfigure(c)
}

// isCarried reports whether an address is open, or its listener drains and would be brought back: failing to speak HTTP/3 there is no reason to refuse a reload.
func (d *Daemon) isCarried(a engine.Address) bool {
	return d.open[a.String()] != nil || d.drains(a)
}

func (d *Daemon) tryAddress(l *snapshot.Listener, a engine.Address) error {
	if d.open[a.String()] != nil || overlaps(a, d.open) || a.IsDatagram && d.drains(a) || d.isBesideOthers(a) {
		return nil
	}
	err := engine.CanListen(a)
	if l.Transparent && errors.Is(err, syscall.EADDRNOTAVAIL) { // it takes connections to other machines
		return nil
	}
	return d.unlessBefore(err)
}

// tryQUIC is for the UDP port of an address that takes HTTP/3.
func (d *Daemon) tryQUIC(l *snapshot.Listener, a engine.Address) error {
	if !l.Setup.QUIC || a.IsDatagram || a.Path != "" || d.hasDatagrams(a) {
		return nil
	}
	a.IsDatagram = true
	if err := d.unlessBefore(engine.CanListen(a)); err != nil {
		return fmt.Errorf("UDP, for HTTP/3: %w", err)
	}
	return nil
}

// unlessBefore forgives an address in use as long as the process before this one has connections: it may be the one that has it, and makes room.
func (d *Daemon) unlessBefore(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) && d.before.Load() != nil {
		return nil
	}
	return err
}

// hasDatagrams reports whether a socket of UDP of this process, of a draining listener too, has the port of an address, or a part of it.
func (d *Daemon) hasDatagrams(a engine.Address) bool {
	has := func(o *openListener) bool {
		b := o.socket.Address
		takesDatagrams := b.IsDatagram && !o.isGone || o.quic != nil
		return takesDatagrams && a.IP.Port() == b.IP.Port() && (isWildcard(a) || isWildcard(b) || a.IP.Addr() == b.IP.Addr())
	}
	for _, o := range d.open {
		if has(o) {
			return true
		}
	}
	for o := range d.ending {
		if has(o) {
			return true
		}
	}
	return false
}

// tryKernel has the kernel rehearse what it would be told.
func tryKernel(next *snapshot.Snapshot) (problems error) {
	var told []netfilter.Service
	for i := range next.Forwards {
		services, err := services(&next.Forwards[i], routing.Neighbour)
		problems = errors.Join(problems, err)
		told = append(told, services...)
	}
	if len(told) > 0 || !next.Rules.IsEmpty() {
		if err := netfilter.Check(told, next.Rules); err != nil {
			return err
		}
	}
	if errors.Is(problems, routing.ErrUnknown) { // it may be known later
		return nil
	}
	return problems
}
