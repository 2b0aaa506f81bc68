package pool

import (
	"math"
	"slices"
)

// Set is the servers of a pool at one moment: replaced whole when addresses or weights change. Immutable.
type Set struct {
	Servers    []*Server // in the order of the configuration, also those that get no work
	Unresolved []string  // names that have no address yet

	tiers   []tier            // by priority
	upTo    []tier            // each tier with all before it, where a minimum has them work together
	minimum int               // of servers that have to be well
	resting []member          // those that get no work
	states  map[*Server]State // of resting

	members map[*Server]*member // of tiers and resting; nil in a small set
}

// searchMost is the largest set that is searched one by one: no map is faster.
const searchMost = 16

// State is whether the server gets work; Available for one that is not in the set.
func (s *Set) State(server *Server) State { return s.states[server] }

// Weight is the server's share beside the others of its tier.
func (s *Set) Weight(server *Server) int {
	if m := s.member(server); m != nil {
		return m.weight
	}
	return 0
}

// Find is the server of that configured name or address; nil if there is none.
func (s *Set) Find(name string) *Server {
	for _, server := range s.Servers {
		if server.Name == name || server.Address.String() == name {
			return server
		}
	}
	return nil
}

// First are the servers that would get work if none were ejected or at a limit: those that are not down, of the first tier of which there is one. It is for
// who chooses among them without the pool.
func (s *Set) First() (list []*Server) {
	for i := range s.tiers {
		for _, m := range s.tiers[i].members {
			if m.Health() != Down {
				list = append(list, m.Server)
			}
		}
		if len(list) >= max(1, s.minimum) {
			break
		}
	}
	return list
}

// maxRequests is the limit to the requests in flight at the server; 0 if there is none.
func (s *Set) maxRequests(server *Server) int {
	if m := s.member(server); m != nil && m.requests != nil {
		return int(m.requests.serverMost)
	}
	return 0
}

// Connections is the limit to the connections to the server; nil if there is none.
func (s *Set) Connections(server *Server) *Bound {
	if m := s.member(server); m != nil {
		return m.connections
	}
	return nil
}

// member is what the set says of the server; nil if it is not in the set.
func (s *Set) member(server *Server) *member {
	if s.members != nil {
		return s.members[server]
	}
	for i := range s.tiers {
		for j := range s.tiers[i].members {
			if m := &s.tiers[i].members[j]; m.Server == server {
				return m
			}
		}
	}
	for i := range s.resting {
		if s.resting[i].Server == server {
			return &s.resting[i]
		}
	}
	return nil
}

// join lays out what the tiers are together.
func (s *Set) join(minimum int, c BalanceConfig) {
	if s.minimum = minimum; minimum <= 1 {
		return
	}
	var all []member
	for i := range s.tiers {
		all = append(all, s.tiers[i].members...)
		s.upTo = append(s.upTo, newTier(slices.Clone(all), c))
	}
}

// newSet lays out the entries by priority; an entry that is not available is in the set but in no tier.
func newSet(entries []entry, unresolved []string, c BalanceConfig) *Set {
	set := &Set{Unresolved: unresolved}
	byPriority := map[int][]member{}
	for _, e := range entries {
		set.Servers = append(set.Servers, e.Server)
		if e.state == Available {
			byPriority[e.priority] = append(byPriority[e.priority], e.member)
			continue
		}
		set.resting = append(set.resting, e.member)
		if set.states == nil {
			set.states = map[*Server]State{}
		}
		set.states[e.Server] = e.state
	}
	priorities := make([]int, 0, len(byPriority))
	for p := range byPriority {
		priorities = append(priorities, p)
	}
	slices.Sort(priorities)
	for _, p := range priorities {
		set.tiers = append(set.tiers, newTier(byPriority[p], c))
	}
	if len(set.Servers) > searchMost {
		set.index()
	}
	return set
}

// index makes members.
func (s *Set) index() {
	s.members = make(map[*Server]*member, len(s.Servers))
	for i := range s.resting {
		s.members[s.resting[i].Server] = &s.resting[i]
	}
	for i := range s.tiers {
		for j := range s.tiers[i].members {
			m := &s.tiers[i].members[j]
			s.members[m.Server] = m
		}
	}
}

// entry is a server on its way into a set.
type entry struct {
	member
	priority int
	state    State
}

// backupPriority is after every other.
const backupPriority = math.MaxInt

// why says which of the reasons for no server it is.
func (s *Set) why(l *perLoop) Reason {
	switch {
	case len(s.Servers) == 0 && len(s.Unresolved) > 0:
		return NotResolved
	case len(s.Servers) == 0:
		return NoServers
	case l.sawFull:
		return Full
	}
	for i := range s.tiers {
		for _, m := range s.tiers[i].members {
			if l.tried != nil && l.tried.Has(m.Server) {
				return AllTried
			}
		}
	}
	return AllDown
}
