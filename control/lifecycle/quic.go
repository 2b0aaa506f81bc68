package lifecycle

import (
	"fmt"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/listener"
)

// openQUIC opens the side of an address that takes HTTP/3, if its setup wants it and it is not open. A process that waits to take over opens none until it does:
// the one before has the same address, and packets would be shared out between the two.
func (d *Daemon) openQUIC(o *openListener, a engine.Address) error {
	if !o.handler.Setup().QUIC || d.paused || a.Path != "" {
		return nil
	}
	if o.quic != nil {
		return o.quic.Resume()
	}
	q, err := listener.ListenQUIC(o.handler, d.engine, o.socket.Address.IP, d.inheritedQUIC(a))
	if err != nil {
		return fmt.Errorf("UDP, for HTTP/3: %w", err)
	}
	o.quic = q
	return nil
}

// settleQUIC follows a new setup of an address that stays open.
func (d *Daemon) settleQUIC(o *openListener, a engine.Address) {
	if err := d.openQUIC(o, a); err != nil {
		d.log.Error("HTTP/3 is not spoken", "listener", o.name, "error", err)
	}
	if o.quic != nil && !o.handler.Setup().QUIC {
		o.quic.Stop()
	}
}

// close stops listening; connections go on.
func (o *openListener) close() {
	if !o.socket.Address.IsDatagram { // the flows of UDP answer by it until end
		o.socket.Close()
	}
	o.stopQUIC()
}

func (o *openListener) stopQUIC() {
	if o.quic != nil {
		o.quic.Stop()
	}
}

// end ends what close has left to come to its end: the socket of a UDP listener, and HTTP/3 connections.
func (o *openListener) end() {
	if o.socket.Address.IsDatagram {
		o.socket.Close()
		o.socket.CloseLeft()
	}
	o.endQUIC()
}

// endQUIC ends what is left of HTTP/3 connections.
func (o *openListener) endQUIC() {
	if o.quic != nil {
		o.quic.Close()
	}
}
