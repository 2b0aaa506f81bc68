package sim

import (
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
)

// healthy is loads that must never be refused anything: the servers keep up.
var healthy = []struct {
	name string
	run  func() *world
}{
	{"constant load at 80 % of what four servers can do", func() *world {
		w := newWorld(4, 2, server{workers: 8, takes: exponential(10_000)}, nil)
		w.poisson(0.8*4*800, 60*second, nil)
		w.run(90 * second)
		return w
	}},
	{"constant load at 95 %", func() *world {
		w := newWorld(4, 2, server{workers: 8, takes: exponential(10_000)}, nil)
		w.poisson(0.95*4*800, 60*second, nil)
		w.run(90 * second)
		return w
	}},
	{"slow but steady: two seconds for each request", func() *world {
		w := newWorld(2, 2, server{takes: constant(2e6)}, nil)
		w.poisson(400, 60*second, nil)
		w.run(90 * second)
		return w
	}},
	{"bursts of 500 requests at once, every three seconds", func() *world {
		w := newWorld(2, 2, server{workers: 16, takes: exponential(20_000)}, nil)
		for at := int64(0); at < 60*second; at += 3 * second {
			w.in(at, func() {
				for range 500 {
					w.send(nil)
				}
			})
		}
		w.poisson(300, 60*second, nil)
		w.run(90 * second)
		return w
	}},
	{"two kinds of requests, 1 ms and 800 ms, of changing share", func() *world {
		share := 0.1
		w := newWorld(2, 2, server{takes: func(w *world) float64 {
			if w.random.Float64() < share {
				return 800_000
			}
			return 1000
		}}, nil)
		w.in(20*second, func() { share = 0.9 })
		w.in(40*second, func() { share = 1 })
		w.poisson(500, 60*second, nil)
		w.run(90 * second)
		return w
	}},
	{"long polls that wait up to 30 s for an event", func() *world {
		w := newWorld(2, 2, server{takes: func(w *world) float64 { return w.random.Float64() * 30e6 }}, nil)
		w.closed(2000, 120*second)
		w.run(160 * second)
		return w
	}},
	{"long polls that all wait for the same event", func() *world {
		w := newWorld(2, 2, server{takes: func(w *world) float64 {
			next := (w.now/(7*second) + 1) * 7 * second
			return float64(min(next-w.now, 25*second)) + w.random.Float64()*5000
		}}, nil)
		w.poisson(200, 120*second, nil)
		w.run(160 * second)
		return w
	}},
	{"a thousand clients that ask as fast as they are answered", func() *world {
		w := newWorld(1, 2, server{workers: 4, takes: exponential(2000)}, nil)
		w.closed(1000, 60*second)
		w.run(90 * second)
		return w
	}},
	{"a server that becomes ten times slower and keeps up", func() *world {
		takes := 30_000.0
		w := newWorld(2, 2, server{takes: func(w *world) float64 { return takes * (0.8 + 0.4*w.random.Float64()) }}, nil)
		for i := range 100 {
			w.in(20*second+int64(i)*second/10, func() { takes += 2700 })
		}
		w.poisson(1000, 60*second, nil)
		w.run(90 * second)
		return w
	}},
	{"a server that stops for 400 ms now and then", func() *world {
		until := int64(0)
		w := newWorld(2, 2, server{workers: 32, takes: func(w *world) float64 {
			if w.now%(5*second) < 400_000 {
				until = w.now - w.now%(5*second) + 400_000
				return float64(until-w.now) + 5000
			}
			return 5000 + w.random.Float64()*5000
		}}, nil)
		w.poisson(2000, 60*second, nil)
		w.run(90 * second)
		return w
	}},
}

func TestNothingIsHeldBackFromServersThatKeepUp(t *testing.T) {
	defer func() { seed = 1 }()
	for i := range 3 * len(healthy) {
		c := healthy[i/3]
		seed = uint64(1 + i%3)
		w := c.run()
		t.Logf("%s: %d requests, p99 %d ms", c.name, w.tried, w.at(0.99)/1000)
		if w.shed > 0 || len(w.latencies) != w.tried {
			t.Errorf("%s: %d of %d requests shed, %d answered", c.name, w.shed, w.tried, len(w.latencies))
		}
	}
}

// overload is three times what the servers can do for a minute.
func overload(servers, workers int, takes func(*world) float64, capacity, times float64, change func(*pool.Config)) *world {
	w := newWorld(servers, 2, server{workers: workers, takes: takes}, change)
	w.warm = 1000 * second
	w.poisson(0.7*capacity, 10*second, nil)
	w.run(10 * second)
	w.warm = w.now + 3*second
	w.poisson(times*capacity, 70*second, nil)
	w.run(70 * second)
	return w
}

func TestAtThreeTimesTheCapacityTheServersStayBusyAndTheRestIsShed(t *testing.T) {
	for _, c := range []struct {
		name             string
		servers, workers int
		micros, times    float64
	}{
		{"1 server, 8 workers, 10 ms, x 3", 1, 8, 10_000, 3},
		{"4 servers, 16 workers, 5 ms, x 3", 4, 16, 5000, 3},
		{"3 servers, 32 workers, 200 ms, x 3", 3, 32, 200_000, 3},
		{"2 servers, 4 workers, 20 ms, x 1.3", 2, 4, 20_000, 1.3},
		{"2 servers, 8 workers, 10 ms, x 10", 2, 8, 10_000, 10},
	} {
		capacity := float64(c.servers*c.workers) * 1e6 / c.micros
		w := overload(c.servers, c.workers, exponential(c.micros), capacity, c.times, nil)
		goodput := float64(len(w.latencies)) / (57 * capacity)
		t.Logf("%s: goodput %.2f of the capacity, p50 %d ms, p99 %d ms, %d of %d shed, p50 after %.1f ms, p99 %d ms; most in line %d", c.name, goodput,
			w.at(0.5)/1000, w.at(0.99)/1000, w.shed, w.tried, float64(quantile(w.shedAfter, 0.5))/1000, quantile(w.shedAfter, 0.99)/1000, w.list[0].most)
		if goodput < 0.8 {
			t.Errorf("%s: goodput %.2f of the capacity", c.name, goodput)
		}
		if p := w.at(0.99); p > 2*second {
			t.Errorf("%s: p99 of what was served %d ms", c.name, p/1000)
		}
		if p := quantile(w.shedAfter, 0.95); p > 5000 {
			t.Errorf("%s: 95%% of the shed answers came within %d ms", c.name, p/1000)
		}
	}
}

func TestWithoutItThreeTimesTheCapacityIsWorthless(t *testing.T) {
	w := overload(1, 8, exponential(10_000), 800, 3, func(c *pool.Config) { c.Limits.AdaptiveOff = true })
	if p := w.at(0.5); p < 10*second {
		t.Errorf("the median of what was served is %d ms: the simulation shows nothing", p/1000)
	}
}

func TestTheCriticalAreServedFirst(t *testing.T) {
	w := newWorld(2, 2, server{workers: 8, takes: exponential(10_000)}, nil)
	served, sent := map[pool.Class]int{}, map[pool.Class]int{}
	send := func(class pool.Class) func(r *request) {
		return func(r *request) {
			sent[class]++
			r.class = class
			r.done = func(latency int64) {
				if latency > 0 {
					served[class]++
				}
			}
		}
	}
	w.poisson(1000, 10*second, nil)
	w.run(10 * second)
	w.poisson(1000, 60*second, send(pool.Critical))
	w.poisson(1600, 60*second, send(pool.Default))
	w.poisson(1600, 60*second, send(pool.Sheddable))
	w.run(80 * second)
	share := func(c pool.Class) float64 { return float64(served[c]) / float64(sent[c]) }
	t.Logf("at 2.6 times the capacity: critical %.3f, default %.3f, sheddable %.3f", share(pool.Critical), share(pool.Default), share(pool.Sheddable))
	if share(pool.Critical) < 0.995 || share(pool.Default) < 0.25 || share(pool.Sheddable) > 0.05 {
		t.Error("not by class")
	}
}
