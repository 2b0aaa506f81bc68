package lifecycle

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/flow"
)

// While flows are passed on nobody reads datagrams, which wait in their sockets. So their number and the time are bounded; flows beyond that end here, and
// their clients begin others in the new process.
const (
	flowsMost   = 100_000
	flowsWithin = 2 * time.Second
)

// leavingFlows are the flows of the listeners for datagrams that another process takes over. Until that serves they rest here, and can go on.
type leavingFlows struct {
	daemon *Daemon
	open   map[string]*openListener
	listed map[string][][]flow.Passed // by address and loop
	sent   map[string][]int           // of these
}

// restFlows stops reading datagrams that come to the addresses.
func (d *Daemon) restFlows(addresses []string) *leavingFlows {
	f := &leavingFlows{daemon: d, open: map[string]*openListener{}, listed: map[string][][]flow.Passed{}, sent: map[string][]int{}}
	d.mu.Lock()
	for key, o := range d.open {
		if o.socket.Address.IsDatagram && slices.Contains(addresses, key) {
			f.open[key] = o
		}
	}
	d.mu.Unlock()
	for key, o := range f.open {
		for _, s := range o.socket.PacketSockets() {
			s.Loop().Call(s.Rest)
		}
		d.engine.Each(func(l *engine.Loop) { f.listed[key] = append(f.listed[key], o.handler.Flows().Rest(l.Index)) })
		f.sent[key] = make([]int, len(f.listed[key]))
	}
	return f
}

// pass says the flows. What the other process does not hear in time stays.
func (f *leavingFlows) pass(c *handover.Channel, by time.Time) error {
	enough, room := time.Now().Add(flowsWithin), flowsMost
	for key, loops := range f.listed {
		for i, list := range loops {
			list = list[max(0, len(list)-room):] // those with the latest datagrams
			loops[i] = list
			n, err := c.SendFlows(enough, key, saidFlows(list), func(i int, fds []int) []int {
				if fds = append(fds, list[i].ToServer); list[i].ToClient >= 0 {
					fds = append(fds, list[i].ToClient)
				}
				return fds
			})
			if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ETOOMANYREFS) {
				return err
			}
			f.sent[key][i] = n
			room -= n
		}
	}
	return c.SendPatiently(by, handover.Message{Kind: handover.FlowsEnd})
}

func saidFlows(list []flow.Passed) []handover.Flow {
	said := make([]handover.Flow, len(list))
	for i := range list {
		p := &list[i]
		said[i] = handover.Flow{Socket: p.Socket, Client: p.Client, Local: p.Local, Port: p.Port, Proxy: p.Proxy, To: p.To, Pool: p.Pool, Server: p.Server, Address: p.Address,
			Age: p.Age, Silent: p.Silent, Received: p.Received, Sent: p.Sent, Credit: p.Credit, Owed: p.Owed, Awaited: p.Awaited, Replies: p.Replies,
			Confirmed: p.Confirmed, HasAnswers: p.ToClient >= 0}
	}
	return said
}

// back has everything go on here.
func (f *leavingFlows) back() {
	for _, o := range f.open {
		f.daemon.engine.Each(func(l *engine.Loop) { o.handler.Flows().Wake(l.Index) })
		for _, s := range o.socket.PacketSockets() {
			s.Loop().Call(func() { s.Wake() })
		}
	}
}

// gone lets go of what the other process has. Flows that it has not go on to their end.
func (f *leavingFlows) gone() {
	for key, o := range f.open {
		flows := o.handler.Flows()
		f.daemon.engine.Each(func(l *engine.Loop) {
			flows.Forget(l.Index, f.listed[key][l.Index][:f.sent[key][l.Index]])
			flows.Wake(l.Index)
		})
	}
}

// TakeFlows takes the flows that the process before passes on, before Begin.
func (d *Daemon) TakeFlows(c *handover.Channel, by time.Time) error {
	began := time.Now()
	taken, ended := make([]int, d.options.Loops), make([]int, d.options.Loops)
	err := c.ReceiveFlows(by, func(address string, said []handover.Flow, fds []int) {
		d.mu.Lock()
		o := d.open[address]
		d.mu.Unlock()
		if o == nil {
			closeAll(fds)
			return
		}
		sockets := o.socket.PacketSockets()
		for i := range said {
			p, rest := takenFlow(&said[i], fds)
			if fds = rest; p == nil {
				return // the system has not given all descriptors: this process may have no more
			}
			by := sockets[p.Socket%len(sockets)]
			by.Loop().Post(func() {
				if o.handler.Flows().Adopt(by, p) {
					taken[by.Loop().Index]++
				} else {
					ended[by.Loop().Index]++
				}
			})
		}
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	t, e := 0, 0
	d.engine.Each(func(l *engine.Loop) { t, e = t+taken[l.Index], e+ended[l.Index] })
	if t+e > 0 {
		d.log.Info("flows taken over", "flows", t, "ended", e, "took", time.Since(began))
	}
	return nil
}

// takenFlow is what was said, with its descriptors; nil if these are not there.
func takenFlow(said *handover.Flow, fds []int) (*flow.Passed, []int) {
	n := 1
	if said.HasAnswers {
		n = 2
	}
	if len(fds) < n || said.Socket < 0 {
		closeAll(fds)
		return nil, nil
	}
	p := &flow.Passed{Socket: said.Socket, Client: said.Client, Local: said.Local, Port: said.Port, Proxy: said.Proxy, To: said.To, Pool: said.Pool, Server: said.Server, Address: said.Address,
		Age: said.Age, Silent: said.Silent, Received: said.Received, Sent: said.Sent, Credit: said.Credit, Owed: said.Owed, Awaited: said.Awaited, Replies: said.Replies,
		Confirmed: said.Confirmed, ToServer: fds[0], ToClient: -1}
	if n == 2 {
		p.ToClient = fds[1]
	}
	return p, fds[n:]
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}
