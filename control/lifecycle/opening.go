package lifecycle

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/listener"
)

// openOne opens an address, or brings back what listened on it and is ending. On an error, what is returned beside it is to be closed.
func (d *Daemon) openOne(l *snapshot.Listener, a engine.Address, beside bool) (*openListener, error) {
	config := engine.ListenConfig{DeferAccept: l.Setup.Defers(), Transparent: l.Transparent, Sockets: d.inherited(a.String()), Paused: d.paused,
		Beside: beside || overlaps(a, d.open) || d.isBesideOthers(a)}
	o := d.endingAt(a.String())
	if o != nil && a.IsDatagram {
		return o, nil
	}
	isBack := o != nil
	if isBack {
		config.Paused = true // until it has its new setup
	} else {
		o = &openListener{key: a.String(), handler: listener.New(listener.Drivers{Exchanges: d.driver, Tunnels: d.tunnels, Flows: d.flows}, l.Setup, d.options.Loops)}
	}
	socket, err := d.listenPatiently(a, config, o.handler)
	if err != nil {
		return nil, err
	}
	o.name, o.socket = l.Name, socket
	if isBack {
		return o, nil // its side for HTTP/3 follows when it has its new setup
	}
	return o, d.openQUIC(o, a)
}

// startBack has listeners accept that were brought back. The caller has given them their setup, and holds mu.
func (d *Daemon) startBack(opened map[string]*openListener) {
	for _, o := range opened {
		if !d.paused {
			o.socket.Start()
		}
	}
}

// listenPatiently is listen, for which a process that was replaced makes room if it has to.
func (d *Daemon) listenPatiently(a engine.Address, config engine.ListenConfig, handler *listener.Listener) (*engine.Listener, error) {
	socket, err := d.listen(a, config, handler)
	if !errors.Is(err, syscall.EADDRINUSE) || d.before.Load() == nil {
		return socket, err
	}
	by := time.Now().Add(orderWithin)
	d.releaseBefore(by, release{Address: a.String(), Overlapping: true})
	for errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(by) {
		if socket, err = d.listen(a, config, handler); err != nil {
			time.Sleep(drainEvery)
		}
	}
	return socket, err
}

// listen opens an address for what comes to it.
func (d *Daemon) listen(a engine.Address, config engine.ListenConfig, handler *listener.Listener) (*engine.Listener, error) {
	if a.IsDatagram {
		return d.engine.ListenPackets(a, config, handler.Flows().On)
	}
	return d.engine.Listen(a, config, handler)
}

// closeUnused closes what was opened for a configuration that is not taken after all. What was ending goes on to do so.
func (d *Daemon) closeUnused(opened map[string]*openListener) {
	for _, o := range opened {
		if !d.ending[o] {
			o.close()
			o.end()
		} else if !o.socket.Address.IsDatagram {
			o.socket.Close()
		}
	}
}

// overlaps reports whether an address that is open already takes some of the connections of a: one of the two has a host, and the other takes all of the machine's.
func overlaps(a engine.Address, open map[string]*openListener) bool {
	for _, o := range open {
		if o.overlaps(a) {
			return true
		}
	}
	return false
}

func (o *openListener) overlaps(a engine.Address) bool {
	b := o.socket.Address
	takesDatagrams := b.IsDatagram || o.quic != nil
	if a.IsDatagram && !takesDatagrams || !a.IsDatagram && b.IsDatagram {
		return false
	}
	return doOverlap(a, b)
}

// doOverlap is of two addresses that take the same kind of thing.
func doOverlap(a, b engine.Address) bool {
	if a.Path != "" || b.Path != "" || a.IP.Port() != b.IP.Port() {
		return false
	}
	return isWildcard(a) != isWildcard(b) || isWildcard(a) && a.IP.Addr().Is4() != b.IP.Addr().Is4()
}

// isBesideOthers reports whether an address overlaps one that is not this configuration's: of a listener that is ending, or that the process before had.
func (d *Daemon) isBesideOthers(a engine.Address) bool {
	for o := range d.ending {
		if o.overlaps(a) {
			return true
		}
	}
	if d.options.Inherited == nil {
		return false
	}
	for key := range d.options.Inherited.Listeners {
		if b, ok := addressOf(key); ok && a.IsDatagram == b.IsDatagram && doOverlap(a, b) {
			return true
		}
	}
	return false
}

func isWildcard(a engine.Address) bool { return !a.IP.Addr().IsValid() || a.IP.Addr().IsUnspecified() }

// addressOf is what String was called of.
func addressOf(key string) (engine.Address, bool) {
	bare, isDatagram := strings.CutPrefix(key, "udp:")
	a, err := engine.ParseAddress(bare)
	a.IsDatagram = isDatagram
	return a, err == nil
}
