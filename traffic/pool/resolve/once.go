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
				l := &lookup{config: config, hosts: map[string]*host{}}
				_, _, err := l.resolve(ctx, t)
				if err != nil && ctx.Err() != nil {
					err = ctx.Err()
				}
				if err != nil {
					mu.Lock()
					failed[t] = err
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range targets {
		next <- t // after ctx has ended, each takes no time
	}
	close(next)
	workers.Wait()
	return failed
}
