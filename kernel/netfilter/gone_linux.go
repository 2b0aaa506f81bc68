package netfilter

// gone is what tables and chains have counted that are there no more: counters do not go back when a service moves to another table.
type gone struct {
	servers map[Way]Counted
	refused map[string]uint64 // by the name of the service
}

func (g *gone) add(more *gone) {
	if g.servers == nil {
		*g = gone{map[Way]Counted{}, map[string]uint64{}}
	}
	for w, n := range more.servers {
		g.servers[w] = g.servers[w].Plus(n)
	}
	for name, n := range more.refused {
		g.refused[name] += n
	}
}

// countGoing reads the counters that a change removes, as far as they can be read: a change is not held up for them. Packets between this and the change are not counted.
func (f *Forwarding) countGoing(next []planned) (going gone) {
	going = gone{map[Way]Counted{}, map[string]uint64{}}
	for i := range next {
		p := &next[i]
		if p.table.wanted == nil || len(p.table.have.chains) == 0 {
			continue
		}
		if p.wanted == nil {
			p.table.count(going.servers)
		}
		stays := map[string]bool{}
		for j := range p.services {
			stays[p.services[j].Name] = p.wanted != nil && !p.services[j].Access.IsOpen()
		}
		p.table.countRefused(going.refused, func(service string) bool { return !stays[service] })
	}
	return going
}
