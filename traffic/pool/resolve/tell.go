package resolve

import (
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// told is what a pool is still to be told. Guarded by Resolver.mu.
type told struct {
	news      map[*watch]bool
	isTelling bool // a goroutine is at it
	hurried   int  // the place of the name that was brought forward last
}

// tellShare is how much longer than a pool took to be told it is left alone then: each telling builds its set anew, and that of a pool of many names takes long.
const tellShare = 10

// tell has the pools that have the name be told what it stands for now. r.mu is held.
func (r *Resolver) tell(w *watch) {
	for _, p := range w.pools {
		t := r.told[p]
		t.news[w] = true
		if !t.isTelling {
			t.isTelling = true
			r.running.Go(func() { r.keepTelling(p, t) })
		}
	}
}

// keepTelling tells the pool until there is no more news.
func (r *Resolver) keepTelling(p *pool.Pool, t *told) {
	for {
		answers := r.takeNews(p, t)
		if answers == nil {
			return
		}
		begun := time.Now()
		p.SetAnswers(answers)
		select {
		case <-r.ctx.Done():
		case <-time.After(tellShare * time.Since(begun)):
		}
	}
}

// takeNews is what the pool has not been told; nil if there is nothing, or the pool does not run any more.
func (r *Resolver) takeNews(p *pool.Pool, t *told) map[pool.Target][]pool.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(t.news) == 0 || r.told[p] != t {
		t.isTelling = false
		return nil
	}
	answers := make(map[pool.Target][]pool.Record, len(t.news))
	for w := range t.news {
		answers[w.target] = w.records
	}
	clear(t.news)
	return answers
}
