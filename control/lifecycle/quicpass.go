package lifecycle

import (
	"slices"
	"syscall"

	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/listener"
)

// This file is what becomes of HTTP/3 when a process takes over: it reads the sockets, and the connections of the one before get their packets from it.

// quicSockets are those of all addresses, for the process that is to take over. Their Succession is the caller's to close.
func (d *Daemon) quicSockets() map[string]handover.QUICSocket {
	d.mu.Lock()
	defer d.mu.Unlock()
	sockets := map[string]handover.QUICSocket{}
	for key, o := range d.open {
		if o.quic == nil {
			continue
		}
		p, err := o.quic.Pass()
		if err != nil {
			d.log.Warn("connections of HTTP/3 will not outlast this process", "listener", o.name, "error", err)
			continue
		}
		sockets[key] = handover.QUICSocket(*p)
	}
	return sockets
}

// closeSuccessions closes what the other process has got.
func closeSuccessions(sockets map[string]handover.QUICSocket) {
	for _, s := range sockets {
		syscall.Close(s.Succession)
	}
}

// leaveQUIC stops reading the sockets of the addresses, which the other process is about to read. All others stay here, those too that were left before.
func (d *Daemon) leaveQUIC(addresses []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, o := range d.open {
		switch {
		case o.quic == nil:
		case slices.Contains(addresses, key):
			o.quic.Leave()
		default:
			o.quic.Keep()
		}
	}
}

// inheritedQUIC is what the process before has passed on of an address; nil: nothing. It is given out once.
func (d *Daemon) inheritedQUIC(a engine.Address) *listener.QUICPassed {
	if d.options.Inherited == nil {
		return nil
	}
	s, ok := d.options.Inherited.QUIC[a.String()]
	if !ok {
		return nil
	}
	delete(d.options.Inherited.QUIC, a.String())
	return (*listener.QUICPassed)(&s)
}

// AdoptedQUIC are the addresses whose sockets for QUIC this process will read. Those of the others are closed here; the process before keeps them.
func (d *Daemon) AdoptedQUIC() (addresses []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, s := range d.options.Inherited.QUIC {
		if o := d.open[key]; o != nil && o.handler.Setup().QUIC {
			addresses = append(addresses, key)
			continue
		}
		(*listener.QUICPassed)(&s).Close()
		delete(d.options.Inherited.QUIC, key)
	}
	return addresses
}
