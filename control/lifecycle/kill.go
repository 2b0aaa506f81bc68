package lifecycle

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/routing"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/pool"
)

// Kill ends what is in progress at a server, or for a client, here and in a process that has been replaced and still has connections.
func (d *Daemon) Kill(k api.Kill) (*api.Killed, error) {
	if d.shared.Load() {
		return nil, api.ErrHanding
	}
	killed, err := d.killOwn(k)
	if err != nil {
		return nil, err
	}
	d.killBefore(time.Now().Add(orderWithin), k, killed)
	if k.Server != "" && len(killed.Pools) == 0 {
		return nil, unknownServer(d.running.Load().Pools(), api.ServerChange{Pool: k.Pool, Server: k.Server})
	}
	d.log.Info("connections ended by the operator", "server", k.Server, "client", k.Client, "pools", killed.Pools, "ended", killed.Ended)
	return killed, nil
}

// killOwn ends what this process has. No pools are named when no pool has the server.
func (d *Daemon) killOwn(k api.Kill) (*api.Killed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := &attempt.Ending{}
	if k.Client != "" {
		client, err := netip.ParseAddr(k.Client)
		if err != nil {
			return nil, fmt.Errorf("%q is not an address of a client", k.Client)
		}
		e.Client = client.Unmap()
	}
	killed := &api.Killed{Pools: []string{}}
	running := d.running.Load()
	if k.Server != "" {
		for name, to := range running.Destinations {
			if k.Pool != "" && k.Pool != name {
				continue
			}
			if s := to.Pool.Set().Find(k.Server); s != nil {
				e.Servers = append(e.Servers, s)
				killed.Pools = append(killed.Pools, name)
			}
		}
		if len(e.Servers) == 0 {
			return killed, nil
		}
	}
	killed.Ended = d.end(e, reason.Ended)
	carried, err := d.endForwarded(e)
	if killed.Ended += carried; err != nil {
		return nil, fmt.Errorf("%d connections have ended; of those that the kernel carries not all could be: %w", killed.Ended, err)
	}
	return killed, nil
}

// end ends what is meant on all loops, and says how much that was.
func (d *Daemon) end(e *attempt.Ending, why reason.Reason) (n int) {
	d.engine.Each(func(l *engine.Loop) {
		n += d.driver.End(l, e, why) + d.tunnels.End(l.Index, e, why)
		if !e.Tunnels {
			n += d.flows.End(l.Index, e, why)
		}
	})
	return n
}

// endForwarded ends what the kernel carries of what is meant. Its tables follow the servers first, so that who connects again does not come to a server that is out.
func (d *Daemon) endForwarded(e *attempt.Ending) (n int, err error) {
	if !d.followServers() {
		return 0, nil
	}
	return d.forwarding.end(d.running.Load().Forwards, e)
}

// followServers has the kernel follow what has become of servers, now and not at the next look. It reports whether the kernel carries anything for this process.
func (d *Daemon) followServers() bool {
	running := d.running.Load()
	if len(running.Forwards) == 0 || d.left.Load() {
		return false
	}
	if err := d.forwarding.apply(running); err != nil && !errors.Is(err, routing.ErrUnknown) {
		d.log.Warn("not everything is forwarded as the configuration has it", "error", err)
	}
	return true
}

// endTunnelsTo ends the tunnels to a server that is down, where its pool says so.
func (d *Daemon) endTunnelsTo(name string, s *pool.Server) {
	to := d.running.Load().Destinations[name]
	if to == nil || !to.EndsDown {
		return
	}
	e := &attempt.Ending{Servers: []*pool.Server{s}, Tunnels: true}
	n := d.end(e, reason.ServerDown)
	carried, err := d.endForwarded(e)
	if err != nil {
		d.log.Warn("not all connections that the kernel carries to a server that is down could be ended", "pool", name, "server", s.Name, "error", err)
	}
	if n += carried; n > 0 {
		d.log.Info("tunnels ended: their server is down", "pool", name, "server", s.Name, "tunnels", n)
	}
}
