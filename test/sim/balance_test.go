package sim

import (
	"math"
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
)

// fluid is the mean time in system, in mean service times, of infinitely many servers when the shortest of d lines drawn at random is
// joined (Mitzenmacher 1996): the sum of rho^((d^i-d)/(d-1)); the textbook's 1/(1-rho) for one.
func fluid(rho float64, d int) float64 {
	if d == 1 {
		return 1 / (1 - rho)
	}
	sum := 0.0
	for i := 1.0; i < 40; i++ {
		sum += math.Pow(rho, (math.Pow(float64(d), i)-float64(d))/float64(d-1))
	}
	return sum
}

func with(policy string) func(*pool.Config) {
	return func(c *pool.Config) {
		c.Balance.Policy, c.Limits.AdaptiveOff = policy, true
	}
}

// Of a large tier least_requests compares four drawn servers, random takes one.
func TestSeveralChoicesAgainstOne(t *testing.T) {
	const micros = 10_000
	for _, c := range []struct {
		policy  string
		choices int
		rho     float64
		seconds int64
		within  float64 // of the theory; 200 servers are not infinitely many, which shows the more the less is idle
	}{{"random", 1, 0.9, 150, 0.05}, {"least_requests", 4, 0.9, 60, 0.05}, {"least_requests", 4, 0.95, 60, 0.05}, {"least_requests", 4, 0.99, 150, 0.15}} {
		w := newWorld(200, 1, server{workers: 1, takes: exponential(micros)}, with(c.policy))
		w.warm = c.seconds * second / 4
		w.poisson(c.rho*200*1e6/micros, c.seconds*second, nil)
		w.run(c.seconds*second + 20*second)
		got, want := w.mean()/micros, fluid(c.rho, c.choices)
		t.Logf("load %.2f, %s: mean time in system %.2f, theory %.2f (two choices: %.2f)", c.rho, c.policy, got, want, fluid(c.rho, 2))
		if math.Abs(got-want) > c.within*want {
			t.Errorf("load %.2f, %s: mean time in system %.2f service times, theory has %.2f", c.rho, c.policy, got, want)
		}
	}
}

// brpc's benchmark: four servers, 4000 requests a second, one or two of them 5 ms slower. Published p99: round robin 6474 µs, with one
// slow server two choices 337 µs; with two, two choices 7676 µs and four 307 µs.
func TestSlowServersDoNotMakeTheTail(t *testing.T) {
	for slow := range 3 {
		for _, c := range []struct {
			policy string
			most   int64 // of the p99, µs; 0: it has to be the slow servers'
		}{{"least_latency", 450}, {"round_robin", 0}} {
			w := newWorld(4, 2, server{takes: func(w *world) float64 { return 200 + 25*w.random.ExpFloat64() }}, with(c.policy))
			for i := range slow {
				w.list[i].takes = func(w *world) float64 { return 5200 + 25*w.random.ExpFloat64() }
			}
			w.warm = second
			w.poisson(4000, 20*second, nil)
			w.run(21 * second)
			p := w.at(0.99)
			t.Logf("%d of 4 slow: %s p99 %d µs", slow, c.policy, p)
			if c.most > 0 && p > c.most || c.most == 0 && slow > 0 && p < 5000 {
				t.Errorf("%d of 4 slow: %s has a p99 of %d µs", slow, c.policy, p)
			}
		}
	}
}
