package pool

// prequal chooses by two rules, one before the other (Wydrowski and others, NSDI 2024): servers with more requests in flight than most of
// the candidates are hot and left alone; of the cold ones the least latency at its present load wins. What the paper has to ask the servers
// by probes is known here at each pick.
type prequal struct{ *tier }

const (
	candidatesMost = 16   // as large as the paper's pool of probes; tiers up to here are looked at whole
	hotQuantile    = 0.84 // of the candidates' requests in flight
	hottest        = 4    // a quantile of 16 candidates leaves fewer above it
)

func newPrequal(t *tier, _ BalanceConfig) balancer { return prequal{t} }

func (b prequal) pick(l *perLoop) *member {
	best := b.draw(l)
	if best == nil || len(b.members) == 1 {
		return best
	}
	var drawn [candidatesMost]*member
	candidates := b.candidates(l, &drawn)
	hot := b.hotAbove(candidates, l)
	bestLoad, bestLatency := l.loadOf(best), l.latencyAtLoad(best)
	for _, m := range candidates {
		load := l.loadOf(m)
		if load > hot && load >= bestLoad {
			continue
		}
		latency := l.latencyAtLoad(m)
		if (bestLoad > hot || load <= hot && latency < bestLatency*clearly) && l.takes(m) {
			best, bestLoad, bestLatency = m, load, latency
		}
	}
	return best
}

// candidates are all that work in a small tier, else some drawn at random by weight.
func (b prequal) candidates(l *perLoop, into *[candidatesMost]*member) []*member {
	n := 0
	if len(b.members) > candidatesMost {
		for range candidatesMost {
			if m := b.any(l); l.works(m) {
				into[n] = m
				n++
			}
		}
		return into[:n]
	}
	start := l.below(len(b.members)) // or of equals the first would win
	for i := range b.members {
		at := start + i
		if at >= len(b.members) {
			at -= len(b.members)
		}
		if m := &b.members[at]; l.works(m) {
			into[n] = m
			n++
		}
	}
	return into[:n]
}

// hotAbove is the load above which a server is hot.
func (b prequal) hotAbove(candidates []*member, l *perLoop) float64 {
	var most [hottest]float64 // in falling order
	for _, m := range candidates {
		load := l.loadOf(m)
		for i := range most {
			if load > most[i] {
				load, most[i] = most[i], load
			}
		}
	}
	n := len(candidates)
	above := n - 1 - int(hotQuantile*float64(n-1))
	return most[min(max(above, 0), hottest-1)]
}

// works reports whether the server gets requests at all, which takes goes on to ask for this one.
func (l *perLoop) works(m *member) bool {
	return m.blocked.Load() == 0 && m.ejectedUntil.Load() <= l.ejectedUntilMax
}

// loadOf is how many requests of this loop are in flight, beside the server's weight.
func (l *perLoop) loadOf(m *member) float64 { return float64(m.loads[l.loop].InFlight) * m.perWeight }

// latencyAtLoad is what the server's answers took when it was as busy as it is; a server that is not known gets one request at a time.
func (l *perLoop) latencyAtLoad(m *member) float64 {
	load := m.loads[l.loop]
	if load.isStale(m.Server) || load.byLoad == nil {
		return float64(load.InFlight) * unknownPenalty
	}
	micros := float64(load.byLoad.at(load.InFlight))
	if age := l.now - load.latency.at; age >= halfLife/128 {
		micros *= decay(age)
	}
	return micros
}
