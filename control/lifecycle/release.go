package lifecycle

import (
	"time"

	"github.com/weir-proxy/weir/engine"
)

// A process that leaves may still have the addresses of listeners that the new one has, too: of UDP while flows have stayed with it, which answer from there, and of HTTP/3 while it has
// connections. It gives them up once these have ended, and when the new process says so, which drops a listener, or opens one.

// release is the order to give an address up.
type release struct {
	Address     string `json:"address"`
	Overlapping bool   `json:"overlapping,omitempty"` // at once, and so are those that overlap it: the new process wants to bind it
}

// releaseBefore has the processes before this one give an address up.
func (d *Daemon) releaseBefore(by time.Time, r release) error {
	_, err := d.askBefore(by, orderRelease, r, &struct{}{})
	return err
}

// release gives up what this process has of an address. Connections of HTTP/3 end as those of any listener that is dropped.
func (d *Daemon) release(r release) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, known := addressOf(r.Address)
	isMeant := func(o *openListener) bool {
		return o.key == r.Address || r.Overlapping && known && o.socket.Address.IsDatagram && o.overlaps(a)
	}
	for o := range d.ending {
		if isMeant(o) && o.socket.Address.IsDatagram {
			d.endNow(o)
			o.hurry(nil)
		}
	}
	for key, o := range d.open {
		switch {
		case !isMeant(o):
		case o.socket.Address.IsDatagram:
			delete(d.open, key)
			o.handler.Close()
			d.endNow(o)
		case !r.Overlapping:
			d.drop(key, o, d.endListener)
		}
	}
}

// endDatagrams ends the dropped listeners for datagrams, which would be in the way of a process that wants their address. The caller holds mu.
func (d *Daemon) endDatagrams() {
	for o := range d.ending {
		if o.socket.Address.IsDatagram {
			d.endNow(o)
			o.hurry(nil)
		}
	}
}

// letGo closes the sockets for datagrams that another process has and by which no flow of this one answers any more.
func (d *Daemon) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closeSilent()
}

// closeSilent is letGo for who holds mu.
func (d *Daemon) closeSilent() {
	for _, o := range d.open {
		if !o.socket.Address.IsDatagram || o.isGone {
			continue
		}
		flows := int64(0)
		d.engine.Each(func(l *engine.Loop) { flows += o.handler.Flows().Open(l.Index) })
		if flows == 0 {
			o.isGone = true
			o.socket.CloseLeft()
		}
	}
}
