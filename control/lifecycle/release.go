package lifecycle

import (
	"time"

	"github.com/weir-proxy/weir/engine"
)

// A process that is leaving keeps sockets of UDP whose flows have stayed with it, and sockets of HTTP/3 with connections: replies are sent from them. It closes a socket when the last flow or
// connection has ended, or when the new process orders it to, because a reload drops the listener there or opens one.

// release is the order to close the sockets of an address.
type release struct {
	Address     string `json:"address"`
	Overlapping bool   `json:"overlapping,omitempty"` // at once, and so are those that overlap it: the new process wants to bind it
}

// releaseBefore has the processes before this one close their sockets of an address.
func (d *Daemon) releaseBefore(by time.Time, r release) error {
	_, err := d.askBefore(by, orderRelease, r, &struct{}{})
	return err
}

// release closes the sockets of an address. Connections of HTTP/3 are drained as those of a dropped listener.
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

// endDatagrams ends draining UDP listeners before a takeover, so that the new process can bind their addresses. The caller holds mu.
func (d *Daemon) endDatagrams() {
	for o := range d.ending {
		if o.socket.Address.IsDatagram {
			d.endNow(o)
			o.hurry(nil)
		}
	}
}

// letGo closes UDP sockets that have been passed to the new process and that no flow of this process uses any more.
func (d *Daemon) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closeSilent()
}

// closeSilent is letGo for a caller that holds mu.
func (d *Daemon) closeSilent() {
	var left []*openListener
	for _, o := range d.open {
		if o.socket.Address.IsDatagram && !o.isGone {
			left = append(left, o)
		}
	}
	if len(left) == 0 {
		return
	}
	flows := make([]int64, len(left))
	counted := d.onEachLoop(func(l *engine.Loop) {
		for i, o := range left {
			flows[i] += o.handler.Flows().Open(l.Index)
		}
	})
	for i, o := range left {
		if counted && flows[i] == 0 {
			o.isGone = true
			o.socket.CloseLeft()
		}
	}
}
