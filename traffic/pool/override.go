package pool

import "maps"

// State is whether a server gets work, by the configuration or by the operator's word.
type State uint8

const (
	Available State = iota
	Drained         // nothing new but from clients that stay with it; what is under way goes on
	Disabled        // nothing new at all; what is under way goes on
)

func (s State) String() string { return [...]string{"available", "drained", "disabled"}[s] }

// Override is what the operator said of a server at run time, above what the configuration says. It outlives reloads, unless it is only until the next one.
type Override struct {
	HasState    bool
	State       State
	HasWeight   bool
	Weight      int
	UntilReload bool
}

// Override changes what the operator said of the server of that configured name, with all its addresses; false when the pool has none. An Override
// that says nothing leaves the server to the configuration. Control plane.
func (p *Pool) Override(name string, change func(*Override)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hasServer(name) {
		return false
	}
	o := p.overrides[name]
	change(&o)
	next := maps.Clone(p.overrides)
	if next == nil {
		next = map[string]Override{}
	}
	if o.HasState || o.HasWeight {
		next[name] = o
	} else {
		delete(next, name)
	}
	p.overrides = next
	p.publish()
	return true
}

// Overrides is what the operator said, by the servers' names. Control plane.
func (p *Pool) Overrides() map[string]Override {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.overrides)
}

// EndOverrides takes back what is not to outlive a reload.
func (p *Pool) EndOverrides() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept := lasting(p.overrides); len(kept) < len(p.overrides) {
		p.overrides = kept
		p.publish()
	}
}

func lasting(all map[string]Override) map[string]Override {
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(_ string, o Override) bool { return o.UntilReload })
	return kept
}

// hasServer reports whether a server is configured under that name, or SRV records lead to one.
func (p *Pool) hasServer(name string) bool {
	for _, c := range p.config.Servers {
		if or(c.Name, c.Address) == name {
			return true
		}
	}
	return false
}

// publish makes the set anew. p.mu is held.
func (p *Pool) publish() {
	before := p.Set()
	after := p.build(before.Servers)
	if p.onSet != nil {
		p.onSet(after)
	}
	p.set.Store(after)
	retire(before.Servers, after.Servers)
	for _, f := range p.onChange {
		f(after)
	}
}

// say puts the operator's word over what the configuration says of the entry.
func (o Override) say(e *entry) {
	if o.HasWeight {
		e.weight = o.Weight
		e.state = Available
		if o.Weight == 0 {
			e.state = Drained
		}
	}
	if o.HasState {
		e.state = o.State
	}
	if e.weight == 0 && e.state == Available {
		e.weight = 1 // the configuration gives it nothing, and the operator wants it to have work
	}
}
