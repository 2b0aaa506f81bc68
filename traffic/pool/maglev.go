package pool

// maglev is Google's table ("Maglev", NSDI 2016): one look-up per pick, shares even to below 1 %, and a server that leaves
// disturbs little more than its own keys.
type maglev struct {
	table   []uint16 // indexes of members
	members []member
}

const (
	maglevSize = 65537 // prime, and above 100 x 512 servers
	unowned    = 0xffff
)

func newMaglev(t *tier, _ BalanceConfig) balancer {
	m := &maglev{table: fillMaglev(t), members: t.members}
	return &jump{tier: t, lookup: m.lookup}
}

func (m *maglev) lookup(hash uint64) *member { return &m.members[m.table[hash%maglevSize]] }

// fillMaglev lets the servers claim entries in turns, each along its own permutation of the table; a lighter server misses
// turns in proportion to its weight.
func fillMaglev(t *tier) []uint16 {
	table := make([]uint16, maglevSize)
	for i := range table {
		table[i] = unowned
	}
	steps := make([]steps, len(t.members))
	for i := range steps {
		steps[i] = newSteps(t.members[i].identityKey())
	}
	credit := make([]int, len(t.members))
	for left := maglevSize; ; {
		for i := range t.members {
			if credit[i] += t.members[i].weight; credit[i] < t.maxWeight {
				continue
			}
			credit[i] -= t.maxWeight
			table[steps[i].claim(table)] = uint16(i)
			if left--; left == 0 {
				return table
			}
		}
	}
}

// steps is a server's permutation of the table: from at, skip by skip.
type steps struct{ at, skip uint64 }

func newSteps(key uint64) steps {
	return steps{at: key % maglevSize, skip: mix(key)%(maglevSize-1) + 1}
}

// claim is the first entry of the permutation that nobody owns.
func (s *steps) claim(table []uint16) uint64 {
	for {
		at := s.at
		s.at = (s.at + s.skip) % maglevSize
		if table[at] == unowned {
			return at
		}
	}
}
