package lifecycle

import (
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/routing"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// Ports are looked at every portsEvery, and told of when portsWarn of them are in use; again after they have been below portsCalm.
const (
	portsEvery = 2 * time.Second  // while there are connections enough for it to matter soon
	portsRest  = 10 * time.Second // while there are few
	portsWarn  = 0.8
	portsCalm  = 0.6
)

// watchPorts warns before a server gets no more connections for want of own ports.
func (d *Daemon) watchPorts() {
	timer := time.NewTimer(portsEvery)
	defer timer.Stop()
	warned := map[*pool.Server]bool{}
	for {
		select {
		case <-d.quit:
			return
		case <-timer.C:
		}
		open, ports := float64(d.engine.Open()), float64(routing.Ports())
		if len(warned) == 0 && open < portsCalm*ports/2 {
			timer.Reset(portsRest)
			continue
		}
		timer.Reset(portsEvery)
		if running := d.running.Load(); running != nil && (len(warned) > 0 || open > portsCalm*ports) {
			d.lookAtPorts(running.Destinations, warned)
		}
	}
}

func (d *Daemon) lookAtPorts(all map[string]*site.Destination, warned map[*pool.Server]bool) {
	open := map[*pool.Server]int{}
	d.engine.Each(func(l *engine.Loop) {
		for _, to := range all {
			for _, s := range to.Pool.Set().Servers {
				if conns, _ := s.Load(l.Index).Transport.(*transport.Conns); conns != nil {
					open[s] += conns.Open
				}
			}
		}
	})
	for name, to := range all {
		room := portsOf(to.Transport)
		for _, s := range to.Pool.Set().Servers {
			used := float64(open[s]) / float64(max(1, room))
			switch {
			case room == 0 || s.Address.Path != "":
			case used >= portsWarn && !warned[s]:
				warned[s] = true
				d.log.Warn("the ports for connections to a server run out; give its pool more addresses in source, or widen net.ipv4.ip_local_port_range",
					"pool", name, "server", s.Name, "connections", open[s], "ports", room)
			case used < portsCalm:
				delete(warned, s)
			}
		}
	}
	for s := range warned {
		if s.IsGone() {
			delete(warned, s)
		}
	}
}

// portsOf is how many connections to one server the own addresses have ports for; 0: it is not known, or each client brings its own.
func portsOf(t *transport.Config) int {
	if t.ByClient {
		return 0
	}
	return routing.Ports() * max(1, len(t.Sources))
}
