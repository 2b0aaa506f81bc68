package pool

import "sort"

// tier is the servers of a set that have the same priority. Immutable.
type tier struct {
	members   []member
	totals    []int // running sums of the weights; nil if all are equal
	maxWeight int
	balancer  balancer
}

// member is a server with what this set's configuration says of it.
type member struct {
	*Server
	weight    int
	perWeight float64 // the tier's average weight / weight

	requests, connections *Bound // nil: no limit
}

func newTier(members []member, c BalanceConfig) tier {
	t := tier{members: members}
	sum, isEven := 0, true
	for _, m := range members {
		sum += m.weight
		t.totals = append(t.totals, sum)
		t.maxWeight = max(t.maxWeight, m.weight)
		isEven = isEven && m.weight == members[0].weight
	}
	if isEven {
		t.totals = nil
	}
	for i := range members {
		members[i].perWeight = float64(sum) / float64(members[i].weight*len(members))
	}
	t.balancer = newBalancer(&t, c)
	return t
}

// draws bounds the attempts to hit a server that can be chosen, before all are looked at.
const draws = 8

// draw chooses at random by weight among the members that l takes.
func (t *tier) draw(l *perLoop) *member {
	for range draws {
		if m := t.any(l); l.takes(m) {
			return m
		}
	}
	return t.next(l, l.below(len(t.members)))
}

func (t *tier) any(l *perLoop) *member {
	if t.totals == nil {
		return &t.members[l.below(len(t.members))]
	}
	ticket := l.below(t.totals[len(t.totals)-1])
	return &t.members[sort.SearchInts(t.totals, ticket+1)]
}

// next is the first member from start on, around the end, that l takes; nil if there is none.
func (t *tier) next(l *perLoop, start int) *member {
	for i := range t.members {
		if m := &t.members[(start+i)%len(t.members)]; l.takes(m) {
			return m
		}
	}
	return nil
}
