package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/traffic/pool"
)

// ChangeServer puts an operator's word over what the configuration says of a server, here and in a process that has been replaced and still has connections. It returns the
// pools in which that was done.
func (d *Daemon) ChangeServer(c api.ServerChange) (*api.ServerChanged, error) {
	changed, err := d.changeServer(c)
	if err != nil {
		return nil, err
	}
	changed.Warning = d.changeBefore(time.Now().Add(orderWithin), c)
	if err := d.operator.save(); err != nil {
		if changed.Warning != "" {
			changed.Warning += "; "
		}
		changed.Warning += "it will be lost when weir starts again: " + err.Error()
		d.log.Warn("what the operator said of servers is not kept", "error", err)
	}
	return changed, nil
}

func (d *Daemon) changeServer(c api.ServerChange) (*api.ServerChanged, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handing.Load() {
		return nil, api.ErrHanding
	}
	changed := &api.ServerChanged{Pools: d.overrideHeld(c)}
	running := d.running.Load()
	if len(changed.Pools) == 0 {
		return nil, unknownServer(running.Pools(), c)
	}
	d.followServers() // who is told that a server is drained may count on it
	d.log.Info("server changed by the operator", "server", c.Server, "pools", changed.Pools, "state", c.State, "weight", weightOf(c), "until_reload", c.UntilReload)
	return changed, nil
}

// overrideServers has a process that leaves follow what the operator says of a server. The process that has taken over remembers it.
func (d *Daemon) overrideServers(c api.ServerChange) (pools []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.overrideHeld(c)
}

// overrideHeld puts the operator's word over the configuration and returns the pools that have the server. The caller holds mu.
func (d *Daemon) overrideHeld(c api.ServerChange) (pools []string) {
	pools = []string{}
	running := d.running.Load()
	for i := range running.Config.Pools {
		name := running.Config.Pools[i].Name
		if c.Pool != "" && c.Pool != name {
			continue
		}
		p := running.Destinations[name].Pool
		server := nameIn(p, c.Server)
		if p.Override(server, func(o *pool.Override) { override(o, c) }) {
			d.operator.note(name, server, p.Overrides()[server])
			pools = append(pools, name)
		}
	}
	return pools
}

// nameIn is the configured name of the server that the operator means, who may have said its address.
func nameIn(p *pool.Pool, said string) string {
	if s := p.Set().Find(said); s != nil {
		return s.Name
	}
	return said
}

func override(o *pool.Override, c api.ServerChange) {
	states := map[string]pool.State{api.Drained: pool.Drained, api.Disabled: pool.Disabled, api.Available: pool.Available}
	if c.State == api.AsConfigured {
		*o = pool.Override{}
	} else if s, is := states[c.State]; is {
		o.HasState, o.State = true, s
	}
	if c.Weight != nil {
		o.HasWeight, o.Weight = true, *c.Weight
		o.HasState = false
	}
	o.UntilReload = c.UntilReload
}

// unknownServer says that no server has the name, or no pool; and which there are.
func unknownServer(pools []*pool.Pool, c api.ServerChange) error {
	var servers, names []string
	for _, p := range pools {
		names = append(names, p.Name)
		if c.Pool != "" && p.Name != c.Pool {
			continue
		}
		for _, s := range p.Set().Servers {
			servers = append(servers, s.Name)
		}
	}
	switch {
	case c.Pool != "" && !slices.Contains(names, c.Pool):
		return fmt.Errorf("no pool %q; there are %v", c.Pool, few(names))
	case c.Pool != "":
		return fmt.Errorf("no server %q in pool %q; there are %v", c.Server, c.Pool, few(servers))
	}
	return fmt.Errorf("no server %q in any pool; there are %v", c.Server, few(servers))
}

// few is the first twenty names, each once, and a count in place of the others.
func few(names []string) (list []string) {
	const most = 20
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if len(list) > most {
		list = append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}

// weightOf is the weight that a change sets, for the log; "" if it sets none.
func weightOf(c api.ServerChange) string {
	if c.Weight == nil {
		return ""
	}
	return fmt.Sprint(*c.Weight)
}
