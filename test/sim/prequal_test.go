package sim

import (
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
)

// antagonists is Prequal's world: machines whose other tenants take away most of what they can do, for seconds at a time and at a few
// of them at once.
func antagonists(policy string, load float64) *world {
	const n, workers, micros = 16, 4, 10_000
	w := newWorld(n, 2, server{workers: workers}, with(policy))
	slowed := make([]float64, n)
	for i, s := range w.list {
		slowed[i] = 1
		s.takes = func(w *world) float64 { return w.random.ExpFloat64() * micros * slowed[i] }
	}
	for at := int64(0); at < 60*second; at += second {
		w.in(at, func() {
			for i := range slowed {
				slowed[i] = 1
				if w.random.IntN(8) == 0 {
					slowed[i] = 4
				}
			}
		})
	}
	w.warm = 5 * second
	w.poisson(load*n*workers*1e6/micros, 60*second, nil)
	w.run(90 * second)
	return w
}

// most is the longest line that a server had.
func (w *world) most() (most int) {
	for _, s := range w.list {
		most = max(most, s.most)
	}
	return most
}

// The paper has twice less tail latency and five to ten times less tail requests in flight than weighted round robin.
func TestPrequalsTails(t *testing.T) {
	for _, load := range []float64{0.5, 0.7, 0.75} {
		even, prequal := antagonists("round_robin", load), antagonists("prequal", load)
		for _, policy := range pool.Policies() {
			if w := antagonists(policy, load); policy != "first" && policy != "hash" && policy != "maglev" {
				t.Logf("load %.2f, %s: p50 %d, p99 %d, p99.9 %d ms, longest line %d", load, policy, w.at(0.5)/1000, w.at(0.99)/1000, w.at(0.999)/1000, w.most())
			}
		}
		if a, b := prequal.at(0.99), even.at(0.99); 2*a > b {
			t.Errorf("load %.2f: p99 %d µs, round robin's %d µs", load, a, b)
		}
		if a, b := prequal.most(), even.most(); 5*a > b {
			t.Errorf("load %.2f: %d in line at the most, round robin %d", load, a, b)
		}
	}
}
