package pool

// roundRobin goes through a fixed schedule in which heavier servers come more often, evenly spread. All loops share the
// schedule and have their own place in it. A server that is not taken is stepped over, so the others keep their proportions.
type roundRobin struct {
	schedule []*member
}

// scheduleMax bounds the schedule; beyond it weights are rounded.
const scheduleMax = 4096

func newRoundRobin(t *tier, _ BalanceConfig) balancer {
	if t.totals == nil { // equal weights: one after the other, which smoothly would find in quadratic time
		b := &roundRobin{schedule: make([]*member, len(t.members))}
		for i := range t.members {
			b.schedule[i] = &t.members[i]
		}
		return b
	}
	return smoothly(t)
}

// smoothly is smooth weighted round robin: each step everyone earns its weight, the richest goes and pays the total.
func smoothly(t *tier) *roundRobin {
	turns := turnsOf(t.members)
	total := 0
	for _, n := range turns {
		total += n
	}
	b := &roundRobin{schedule: make([]*member, 0, total)}
	credit := make([]int, len(turns))
	for range total {
		richest := 0
		for i := range credit {
			credit[i] += turns[i]
			if credit[i] > credit[richest] {
				richest = i
			}
		}
		credit[richest] -= total
		b.schedule = append(b.schedule, &t.members[richest])
	}
	return b
}

func (b *roundRobin) pick(l *perLoop) *member {
	at := int(l.cursor % uint64(len(b.schedule)))
	for range b.schedule {
		m := b.schedule[at]
		at++
		if at == len(b.schedule) {
			at = 0
		}
		if l.takes(m) {
			l.cursor = uint64(at)
			return m
		}
	}
	return nil
}

// turnsOf is the weights in lowest terms, or rounded so that their sum is about scheduleMax at most.
func turnsOf(members []member) []int {
	divisor, total := 0, 0
	for _, m := range members {
		divisor = gcd(m.weight, divisor)
		total += m.weight
	}
	if total/divisor > scheduleMax {
		divisor = total / scheduleMax
	}
	turns := make([]int, len(members))
	for i, m := range members {
		turns[i] = max(1, m.weight/divisor)
	}
	return turns
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
