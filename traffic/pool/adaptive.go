package pool

import (
	"math"
	"sync/atomic"
)

// overload finds out how many requests a server can take at a time, from its latency and from whether more come than go. It belongs
// to the Server; loops report to it about ten times a second, and whichever comes when all have reported is the judge.
//
// A server is overloaded when the least latency that it still manages is far above what it was, and requests go on piling up in it:
// both, several times in a row, and the wait is as long as what was before a request in the line takes. Slowness alone is no
// overload, nor is a burst, nor are many requests that wait for an event. Then what would only wait inside the server is held back, in steps, and each step is put to the test: where it makes the server no
// faster but lets it do less, the server is just slower than it was, and nothing is held back any more.
type overload struct {
	reports   []report // by loop
	limit     atomic.Int32
	isJudging atomic.Bool

	// The judge's.
	at       int64    // ms of the last judgement
	seen     []uint64 // answers, of each report at the last judgement
	inFlight int32    // at the last judgement
	past     [32]past // the last judgements, in a ring
	next     int
	floor    float64 // µs: the latency when nothing waits in the server; 0: not known
	usual    float64 // µs: the mean then
	over     int     // judgements in a row that are slow
	overFrom int32   // in flight at the first of them
	unused   int64   // ms since when the limit has mattered to nobody
	before   figures // at the last step
	settled  int64   // ms at which what was begun before the last step has ended; 0: it has not begun to
	since    figures // collected since then
}

// report is what one loop says of the server. Written by that loop.
type report struct {
	at       atomic.Int64 // ms
	answers  atomic.Uint64
	latency  atomic.Int64 // µs: the least of each group, on average
	mean     atomic.Int64 // µs: of all
	inFlight atomic.Int32
	isHit    atomic.Bool // a request found the limit reached
	_        [88]byte
}

// past is how many requests were in flight at a judgement.
type past struct {
	at       int64
	inFlight int32
}

// figures are what the server did in a while.
type figures struct {
	answers, ms float64
	least, mean float64 // µs: sums over answers
	isHit       bool
}

func (f *figures) add(o figures) {
	f.answers += o.answers
	f.least += o.least
	f.mean += o.mean
	f.ms += o.ms
	f.isHit = f.isHit || o.isHit
}

func (f *figures) latency() float64 { return f.least / f.answers }
func (f *figures) rate() float64    { return f.answers / f.ms }

const (
	reportMs     = 100 // between two reports of a loop, at least
	groupSize    = 8   // answers: one fast among them shows that nothing waits
	activeMs     = 2000
	overMost     = 4
	unusedMs     = 1000
	piling       = 1.0 / 20 // of the answers, that more come than go
	answersLeast = 100      // to put a step to the test

	// Waiting below this is nobody's reason to refuse work, however fast the server would be without it.
	tolerated = 100_000 // µs

	// What is let wait in a limited server, so that it never runs dry.
	spare = 20_000 // µs

	// The floor follows a server that has become slower at this share of the difference per ms: a minute for most of it, so that it
	// does not follow an overload that builds up.
	floorDrift = 1.0 / 60_000
)

// latencyWindow is what a loop collects for its next report. Owned by the loop.
type latencyWindow struct {
	since   int64   // ms
	least   float64 // µs: of the running group
	all     float64 // µs: sum
	group   int     // answers in it
	sum     float64 // of the least of each full group
	groups  int
	answers uint64 // ever
	isHit   bool
}

// observe takes the latency of a good answer.
func (w *latencyWindow) observe(s *Server, loop int, now int64, micros float64) {
	if w.group == 0 || micros < w.least {
		w.least = micros
	}
	w.all += micros
	if w.group++; w.group < groupSize {
		return
	}
	w.sum += w.least
	w.groups++
	w.group = 0
	if now-w.since >= reportMs {
		w.report(s, loop, now)
	}
}

func (w *latencyWindow) report(s *Server, loop int, now int64) {
	w.answers += uint64(w.groups * groupSize)
	r := &s.overload.reports[loop]
	r.answers.Store(w.answers)
	r.latency.Store(int64(w.sum / float64(w.groups)))
	r.mean.Store(int64(w.all / float64(w.groups*groupSize)))
	r.inFlight.Store(s.loads[loop].InFlight)
	if w.isHit {
		r.isHit.Store(true)
	}
	r.at.Store(now)
	w.since, w.sum, w.all, w.groups, w.isHit = now, 0, 0, 0, false
	if s.overload.isJudging.CompareAndSwap(false, true) {
		s.overload.judge(s, now)
		s.overload.isJudging.Store(false)
	}
}

// judge looks at the reports, once all loops that work for the server have reported.
func (o *overload) judge(s *Server, now int64) {
	d := now - o.at
	if d < reportMs {
		return
	}
	active, fresh := int32(0), int32(0)
	for i := range o.reports {
		if at := o.reports[i].at.Load(); at > 0 && now-at < activeMs {
			active++
			if at > o.at {
				fresh++
			}
		}
	}
	if fresh < active && d < activeMs/2 {
		return
	}
	f, inFlight := o.collect(float64(d))
	o.at, o.inFlight = now, inFlight
	o.past[o.next%len(o.past)] = past{now, inFlight}
	o.next++
	if f.answers > 0 {
		o.decide(now, f)
		s.share.Store((o.limit.Load() + active - 1) / active)
	}
}

// collect sums up the reports.
func (o *overload) collect(ms float64) (f figures, inFlight int32) {
	f.ms = ms
	for i := range o.reports {
		r := &o.reports[i]
		answers := r.answers.Load()
		n := float64(answers - o.seen[i])
		o.seen[i] = answers
		f.answers += n
		f.least += n * float64(r.latency.Load())
		f.mean += n * float64(r.mean.Load())
		f.isHit = r.isHit.Swap(false) || f.isHit
		inFlight += r.inFlight.Load()
	}
	return f, inFlight
}

func (o *overload) decide(now int64, f figures) {
	if l := f.latency(); o.floor == 0 || l < o.floor {
		o.floor = l
	}
	if m := f.mean / f.answers; o.usual == 0 || m < o.usual {
		o.usual = m
	}
	if o.limit.Load() == 0 {
		o.look(now, f)
	} else {
		o.adjust(now, f)
	}
}

func (o *overload) isSlow(latency float64) bool { return latency > max(2*o.floor, o.floor+tolerated) }

// look watches a server without limit.
func (o *overload) look(now int64, f figures) {
	if !o.isSlow(f.latency()) {
		drift := min(1, f.ms*floorDrift)
		o.floor += (f.latency() - o.floor) * drift
		o.usual += (f.mean/f.answers - o.usual) * drift
		o.over, o.since = 0, figures{}
		return
	}
	if !o.isALine(now, &f) {
		o.over, o.since = 0, figures{}
		return
	}
	if o.over++; o.over == 1 {
		o.overFrom = o.inFlight // that it became slower is what made more of them; only what comes now tells
		return
	}
	if o.since.add(f); o.over < overMost {
		return
	}
	grown := float64(o.inFlight - o.overFrom)
	// By chance the number of requests strays from its mean by a root or two of it.
	if grown >= max(4, o.since.answers*piling, 5*math.Sqrt(float64(o.overFrom))) {
		half := float64(o.inFlight) / 2
		if grown > o.since.answers/2 {
			half = 0 // so much more comes than goes that nothing else can be the reason, and steps would take too long
		}
		o.step(now, o.since, half)
	} else if o.over >= 5*overMost {
		o.over, o.since = 0, figures{}
	}
}

// isALine reports whether requests take as long as those need that were there before them. Where they wait for something else,
// some are answered much sooner.
func (o *overload) isALine(now int64, f *figures) bool {
	latency := f.latency()
	began := now - int64(latency/1000)
	then := past{inFlight: o.inFlight}
	for i := range o.past {
		// The last that is known before they began, or the first that is known at all.
		p := o.past[(o.next+i)%len(o.past)]
		if p.at > 0 && (then.at == 0 || p.at <= began) {
			then = p
		}
	}
	return latency/1000 > 0.4*float64(then.inFlight)/f.rate()
}

// step lowers the limit to half of what was under way, or to what the server can use where that is more.
func (o *overload) step(now int64, f figures, half float64) {
	o.limit.Store(int32(max(1, half, o.aim(&f))))
	o.before, o.since, o.settled, o.over, o.unused = f, figures{}, 0, 0, now
}

// aim is the requests in flight at which the server is busy and little waits in it.
func (o *overload) aim(f *figures) float64 { return f.rate() * (1.25*o.usual + spare) / 1000 }

// adjust watches a limited server.
func (o *overload) adjust(now int64, f figures) {
	limit := o.limit.Load()
	if f.isHit {
		o.unused = now
	}
	switch {
	case now-o.unused >= unusedMs:
		o.free()
		return
	case o.settled == 0:
		// What is above the limit goes first, then what was begun while it was there.
		if o.inFlight <= limit+limit/8+1 {
			o.settled = now + int64(f.latency()/1000)
		}
		return
	case now < o.settled:
		return
	}
	if o.since.add(f); o.since.answers < answersLeast && o.since.ms < unusedMs {
		return
	}
	f, o.since = o.since, figures{}
	latency := f.latency()
	switch {
	case o.isSlow(latency) && latency > 0.8*o.before.latency() && f.rate() < 0.7*o.before.rate():
		o.floor, o.usual = latency, f.mean/f.answers // it was no overload: the server needs that time
		o.free()
	case o.isSlow(latency):
		o.step(now, f, float64(limit)/2)
	case f.isHit && latency <= 2*o.floor+spare:
		o.limit.Store(limit + max(1, limit/8))
	case f.isHit && latency > 2*o.floor+2*spare:
		o.limit.Store(max(1, limit-max(1, limit/16)))
	}
}

func (o *overload) free() {
	o.limit.Store(0)
	o.over, o.since = 0, figures{}
}

// isHeldBack reports whether the loop has its share of an overloaded server's requests under way.
func (s *Server) isHeldBack(loop int) bool {
	share := s.share.Load()
	return share > 0 && s.loads[loop].InFlight >= share
}
