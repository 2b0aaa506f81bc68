package main

import (
	"context"
	"time"
)

// idleSpan is how long a proxy is watched doing nothing, and idleSettle how long it may take to come to rest.
const (
	idleSpan   = 10 * time.Second
	idleSettle = 3 * time.Second
)

func idle() *question {
	return &question{
		Name:     "idle",
		Asks:     "What does a proxy use that has nothing to do, 3 s after a load, watched for 10 s?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  []figure{{"cpu", "%"}, {"resident", "MB"}},
		targets: []target{
			{Figure: "cpu", Bound: 0.1},
			{Figure: "resident", Bound: 25},
		},
		rounds:  1,
		measure: watchIdle,
	}
}

// watchIdle loads a fresh proxy for a second, lets it rest, and watches it. A page that nginx's processes share counts
// for each of them; weir has one process.
func watchIdle(ctx context.Context, b *bed, s *subject) (sample, error) {
	fresh, err := b.fresh(s.name)
	if err != nil {
		return nil, err
	}
	defer fresh.process.Stop()
	if _, err := (wrk{url: fresh.plain("/128"), seconds: 1}).run(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, idleSettle); err != nil {
		return nil, err
	}
	before, err := fresh.process.Usage()
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, idleSpan); err != nil {
		return nil, err
	}
	after, err := fresh.process.Usage()
	if err != nil {
		return nil, err
	}
	return sample{
		"cpu":      100 * after.Sub(before).CPU.Seconds() / idleSpan.Seconds(),
		"resident": float64(after.Resident) / 1e6,
	}, nil
}

// sleep waits, or returns early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
