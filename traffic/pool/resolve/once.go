package resolve

import (
	"context"
	"sync"

	"github.com/weir-proxy/weir/traffic/pool"
)

// onceMost is how many names Once looks up at a time.
const onceMost = 32

// Once looks targets up a single time, until ctx ends. It returns why those that did not resolve did not: for those that time ran out for, the error of ctx.
func Once(ctx context.Context, c Config, targets []pool.Target) map[pool.Target]error {
	config := New(c).config
	var mu sync.Mutex // guards failed
	failed := map[pool.Target]error{}
	next := make(chan pool.Target)
	var workers sync.WaitGroup
	for range min(onceMost, len(targets)) {
		workers.Go(func() {
			for t := range next {
				if err := once(ctx, config, t); err != nil {
					mu.Lock()
					failed[t] = err
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range targets {
		next <- t
	}
	close(next)
	workers.Wait()
	return failed
}

// once looks a target up, unless ctx has ended: to read the file of hosts for each that is left would take long after all.
func once(ctx context.Context, config Config, t pool.Target) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := &lookup{config: config, hosts: map[string]*host{}}
	_, _, err := l.resolve(ctx, t)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
