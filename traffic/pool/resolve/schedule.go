package resolve

import (
	"context"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// idle is how long the schedule sleeps when nothing is due.
const idle = time.Hour

// schedule begins look-ups as they become due, until Close.
func (r *Resolver) schedule() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case p := <-r.asked:
			r.bringForward(p)
		case <-r.kick:
		case <-timer.C:
		}
		timer.Reset(r.beginDue())
	}
}

// wake has the schedule be looked at again. It does not wait.
func (r *Resolver) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// beginDue begins what is due and has room, and says when the next is due. A line without room is looked at again when one of its look-ups ends.
func (r *Resolver) beginDue() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, next := time.Now(), idle
	for kind := range r.lines {
		l := &r.lines[kind]
		for len(l.waiting) > 0 && l.inFlight < linesMost[kind] {
			w := l.waiting[0]
			if d := w.at.Sub(now); d > 0 {
				next = min(next, d)
				break
			}
			l.remove(w)
			l.inFlight++
			ctx, abort := context.WithCancel(w.ctx)
			w.abort = abort
			r.running.Go(func() { r.look(ctx, w, lineKind(kind)) })
		}
	}
	return next
}

// look does one look-up, and puts the name back in line.
func (r *Resolver) look(ctx context.Context, w *watch, kind lineKind) {
	defer w.abort()
	begun := time.Now()
	if kind == quickLine {
		late := time.AfterFunc(slowAfter, func() { r.isLate(ctx, w) })
		defer late.Stop()
	}
	records, ttl, err := w.lookup.resolve(ctx, w.target)
	isAborted := ctx.Err() != nil
	if !isAborted {
		r.finished(w, records, ttl, err)
	}
	r.mu.Lock()
	r.lines[w.line].inFlight--
	switch {
	case isAborted:
		w.at = time.Now()
	case time.Since(begun) < slowAfter:
		w.line = quickLine
	}
	if w.ctx.Err() == nil {
		r.lines[w.line].push(w)
	}
	r.mu.Unlock()
	r.wake()
}

// isLate moves a look-up that takes long to the slow line. Where that is full, the look-up begins anew when its turn comes there.
func (r *Resolver) isLate(ctx context.Context, w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil || w.line == slowLine || w.index >= 0 {
		return
	}
	if r.lines[slowLine].inFlight >= linesMost[slowLine] {
		w.abort()
	}
	r.lines[quickLine].inFlight--
	w.line = slowLine
	r.lines[slowLine].inFlight++
	r.wake()
}

const (
	// askedMost is how many pools may wait for names at a time; others ask again.
	askedMost = 64

	// hurryAfter is the least time between two look-ups of a name for which work waits.
	hurryAfter = 250 * time.Millisecond

	// Of a pool of many names, so many are brought forward at a time, of so many that are looked at: work waits for one of them, not for all.
	hurriedMost, lookedAtMost = 32, 1024
)

// hurry has names of the pool looked up that failed last time, and whose next turn has not come: work waits for them. It waits for nothing, and may be called from any
// loop.
func (r *Resolver) hurry(p *pool.Pool) {
	select {
	case r.asked <- p:
	default: // there will be another call
	}
}

// bringForward has some names of the pool looked up soon, others at the next call.
func (r *Resolver) bringForward(p *pool.Pool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told, names := r.told[p], p.Targets()
	if told == nil {
		return
	}
	hurried := 0
	for range min(len(names), lookedAtMost) {
		told.hurried = (told.hurried + 1) % len(names)
		w := r.watched[names[told.hurried]]
		if w == nil || w.failures == 0 || w.index < 0 {
			continue
		}
		if soon := w.ended.Add(hurryAfter); soon.Before(w.at) {
			r.lines[w.line].moveTo(w, soon)
			if hurried++; hurried == hurriedMost {
				return
			}
		}
	}
}
