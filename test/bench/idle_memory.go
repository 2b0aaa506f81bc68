package main

import (
	"context"
	"time"
)

// held is the number of idle connections; with both legs of a few in use it stays below 20,000 descriptors.
const held = 9000

func idleMemory() *question {
	return &question{
		Name:     "idle-memory",
		Asks:     "What user memory does an idle keep-alive connection cost, with 9,000 held after one request each?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  []figure{{"per connection", "kB"}, {"before", "MB"}, {"after", "MB"}},
		targets:  []target{{Figure: "per connection", Bound: 1}},
		rounds:   3,
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return holdConnections(ctx, b, s, func(s *subject) string { return s.plainAddress }, held, false)
		},
	}
}

// holdConnections warms a fresh proxy up, so that what it allocates once is in the figure before, and compares the
// private memory of its processes without and with the connections.
func holdConnections(ctx context.Context, b *bed, s *subject, at func(*subject) string, count int, secure bool) (sample, error) {
	fresh, err := b.fresh(s.name)
	if err != nil {
		return nil, err
	}
	defer fresh.process.Stop()
	url := "http://" + at(fresh) + "/128"
	if secure {
		url = fresh.secure("/128")
	}
	if _, err := (wrk{url: url, seconds: 1}).run(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return nil, err
	}
	before, err := fresh.process.Usage()
	if err != nil {
		return nil, err
	}
	holder, err := startHolder(ctx, at(fresh), count, secure)
	if err != nil {
		return nil, err
	}
	defer holder.stop()
	if err := sleep(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	after, err := fresh.process.Usage()
	if err != nil {
		return nil, err
	}
	if err := holder.check(); err != nil {
		return nil, err
	}
	return sample{
		"per connection": float64(after.Private-before.Private) / float64(count) / 1e3,
		"before":         float64(before.Private) / 1e6,
		"after":          float64(after.Private) / 1e6,
	}, nil
}
