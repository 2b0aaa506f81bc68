package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/pool"
)

func (p *planner) pools() {
	name := func(l *config.Pool) string { return l.Name }
	was := indexed(p.before.Config.Pools, name)
	for i := range p.after.Config.Pools {
		now := &p.after.Config.Pools[i]
		old := was[now.Name]
		delete(was, now.Name)
		key := "pools." + quoted(now.Name)
		switch {
		case old == nil:
			p.note(api.Added, key, serversDiffering(&config.Pool{}, now)...)
		case p.before.Destinations[now.Name] == p.after.Destinations[now.Name]:
			p.plan.Kept.Pools++
		default:
			p.note(api.Changed, key, poolDiffering(old, now, p.isRenewed(now.Name))...)
		}
	}
	for i := range p.before.Config.Pools {
		if old := &p.before.Config.Pools[i]; was[old.Name] != nil {
			p.note(api.Removed, "pools."+quoted(old.Name), "requests under way end as they began; kept connections to its servers are closed")
		}
	}
}

// isRenewed reports whether connections to the servers of a pool are opened anew.
func (p *planner) isRenewed(name string) bool {
	was, now := p.before.Destinations[name], p.after.Destinations[name]
	return was != nil && now != nil && was.Transport.Generation < now.Transport.Generation
}

func poolDiffering(old, now *config.Pool, renewed bool) []string {
	details := serversDiffering(old, now)
	keys := slices.DeleteFunc(differing(old, now), func(key string) bool { return key == "servers" })
	if len(keys) > 0 {
		details = append(details, strings.Join(keys, ", "))
	}
	if len(details) == 0 {
		details = append(details, "a file of its tls has changed and is read again")
	}
	switch {
	case old.Mode != now.Mode && (old.Mode == "direct" || now.Mode == "direct"):
		return append(details, "servers that stay keep their health and counters; TCP connections are reset, and flows of datagrams begin anew: servers do not know what went another way before")
	case now.Mode == "direct" && old.Interface != now.Interface:
		return append(details, "servers that stay keep their health and counters; the servers of flows are forgotten: connections that come to another server are reset")
	case renewed:
		return append(details, "servers that stay keep their health and counters; connections to them are opened anew, and requests under way end on the old ones")
	}
	return append(details, "servers that stay keep their health, counters and connections")
}

func serversDiffering(old, now *config.Pool) (details []string) {
	address := func(s *config.Server) string { return s.Address.String() }
	was := indexed(old.Servers, address)
	for i := range now.Servers {
		s := &now.Servers[i]
		before := was[address(s)]
		delete(was, address(s))
		if before == nil {
			details = append(details, "+ server "+address(s))
		} else if keys := differing(before, s); len(keys) > 0 {
			details = append(details, fmt.Sprintf("~ server %s: %s", address(s), strings.Join(keys, ", ")))
		}
	}
	for i := range old.Servers {
		if s := &old.Servers[i]; was[address(s)] != nil {
			details = append(details, fmt.Sprintf("- server %s: requests under way end, kept connections to it are closed", address(s)))
		}
	}
	return details
}

// operator lists what was said of servers at run time, which the file does not show: what stays, and what this reload ends.
func (p *planner) operator() {
	for i := range p.after.Config.Pools {
		name := p.after.Config.Pools[i].Name
		said := p.said(name)
		for _, server := range slices.Sorted(maps.Keys(said)) {
			o, what := said[server], "changed"
			switch {
			case o.HasState:
				what = o.State.String()
			case o.HasWeight:
				what = fmt.Sprintf("given the weight %d", o.Weight)
			}
			how := fmt.Sprintf("and stays so; 'weir enable %s' ends that", server)
			if o.UntilReload {
				how = "until this reload, which ends that"
			}
			p.plan.Operator = append(p.plan.Operator, fmt.Sprintf("pools.%s: server %s was %s by the operator, %s", quoted(name), server, what, how))
		}
	}
}

// said is what was said of a pool's servers, those words included that end with this reload: a pool that has changed does not inherit them.
func (p *planner) said(name string) map[string]pool.Override {
	said := map[string]pool.Override{}
	if was := p.before.Destinations[name]; was != nil {
		maps.Copy(said, was.Pool.Overrides())
		maps.DeleteFunc(said, func(_ string, o pool.Override) bool { return !o.UntilReload })
	}
	maps.Copy(said, p.after.Destinations[name].Pool.Overrides())
	return said
}
