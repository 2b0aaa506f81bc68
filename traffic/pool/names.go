package pool

import (
	"net/netip"
	"slices"
)

// Record is one address behind a name.
type Record struct {
	Address  netip.AddrPort
	Host     string // the SRV record's target; "" for a host name
	Weight   int    // of SRV, beside the other records of that name; 0: the configured one
	Priority int    // of SRV; added to the configured one
}

// Targets are the names of the pool that need resolving, each once. The caller must not change them.
func (p *Pool) Targets() []Target { return p.names }

// namesAmong is the targets that are names, each once.
func namesAmong(targets []Target) (names []Target) {
	isIn := make(map[Target]bool, len(targets))
	for _, t := range targets {
		if t.Name != "" && !isIn[t] {
			isIn[t] = true
			names = append(names, t)
		}
	}
	return names
}

// SetRecords publishes what a name stands for now; the servers whose address stays are the same as before. Control plane.
func (p *Pool) SetRecords(t Target, records []Record) { p.SetAnswers(map[Target][]Record{t: records}) }

// SetAnswers is SetRecords for many names at a time: a set is built once for all of them.
func (p *Pool) SetAnswers(answers map[Target][]Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	isNews := false
	for t, records := range answers {
		if !slices.Equal(p.answers[t], records) {
			p.answers[t] = slices.Clone(records)
			isNews = true
		}
	}
	if isNews {
		p.publish()
	}
}

// OnChange has f called with every later Set, one at a time, by whoever causes it; f must not call the pool's setters.
func (p *Pool) OnChange(f func(*Set)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onChange = append(p.onChange, f)
}

// OnSet has f called with the set of the moment, and with every later one before any loop sees it. It takes the place of the f before; nil is none. f must not call the
// pool's setters.
func (p *Pool) OnSet(f func(*Set)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.onSet = f; f != nil {
		f(p.Set())
	}
}

// OnWanted has f called, on the loop, when work finds that no name of the pool has an address yet, ten times a second at most. It takes the place of the one before.
func (p *Pool) OnWanted(f func()) { p.onWanted.Store(&f) }

const wantEvery = 100 // ms

// want tells whoever looks names up that work waits for them.
func (p *Pool) want(l *perLoop) {
	if f := p.onWanted.Load(); f != nil && l.now-l.asked >= wantEvery {
		l.asked = l.now
		(*f)()
	}
}

// adopt takes over what the previous pool knew about names, and what the operator said that is to last.
func (p *Pool) adopt(previous *Pool) {
	previous.mu.Lock()
	defer previous.mu.Unlock()
	for _, t := range p.Targets() {
		if records, isKnown := previous.answers[t]; isKnown {
			p.answers[t] = records
		}
	}
	p.overrides = lasting(previous.overrides)
}

// build makes the set from configuration and answers, with the Servers of known wherever name and address are the same.
func (p *Pool) build(known []*Server) *Set {
	b := builder{pool: p, isRunning: len(known) > 0, loops: p.config.Loops, known: map[identity]*Server{}, isIn: map[identity]bool{}}
	for _, s := range known {
		b.known[identity{s.Name, s.Host, s.Address}] = s
	}
	for i, c := range p.config.Servers {
		if t := p.targets[i]; t.Name == "" {
			b.add(c, "", t.Address, Record{})
		} else {
			b.addName(c, t, p.answers[t])
		}
	}
	set := newSet(b.entries, b.unresolved, p.config.Balance)
	set.join(p.config.Minimum, p.config.Balance)
	return set
}

// identity is what makes a server the same one after a change.
type identity struct {
	name, host string
	address    Address
}

type builder struct {
	pool       *Pool
	isRunning  bool // other servers of the pool are at work
	loops      int
	known      map[identity]*Server
	isIn       map[identity]bool
	entries    []entry
	unresolved []string
}

func (b *builder) addName(c ServerConfig, t Target, records []Record) {
	if len(records) == 0 {
		b.unresolved = append(b.unresolved, t.Name)
	}
	for _, r := range records {
		b.add(c, or(r.Host, t.Name), Address{AddrPort: r.Address}, r)
	}
}

func (b *builder) add(c ServerConfig, host string, address Address, r Record) {
	id := identity{or(c.Name, c.Address), host, address}
	if b.isIn[id] {
		return
	}
	b.isIn[id] = true
	server := b.known[id]
	if server == nil {
		server = newServer(id.name, host, address, b.loops)
		if b.isRunning {
			server.slowSince.Store(slowSoon)
		}
	}
	e := entry{member: b.pool.member(server, c), priority: c.Priority + r.Priority}
	if c.Drain {
		e.state = Drained
	}
	e.weight = or(r.Weight, or(c.Weight, 1))
	if c.Backup {
		e.priority = backupPriority
	}
	if o, is := b.pool.overrides[id.name]; is {
		o.say(&e)
	}
	b.entries = append(b.entries, e)
}

// member is the server with its limits. A request needs a connection of its own, so a limit to these is one to requests too.
func (p *Pool) member(s *Server, c ServerConfig) member {
	l := &p.config.Limits
	connections := or(c.MaxConnections, l.ServerConnections)
	return member{Server: s,
		requests:    newBound(&s.requests, &p.shared.requests, least0(c.MaxRequests, connections), least0(l.Requests, l.Connections)),
		connections: newBound(&s.connections, &p.shared.connections, connections, l.Connections)}
}

func retire(before, kept []*Server) {
	stays := make(map[*Server]bool, len(kept))
	for _, s := range kept {
		stays[s] = true
	}
	for _, s := range before {
		if !stays[s] {
			s.isGone.Store(true)
		}
	}
}
