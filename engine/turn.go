package engine

import "time"

// finishTurn runs what became ready during the turn, at most a bounded number of rounds, so that new events are not kept waiting.
// It reports whether something is left.
func (l *Loop) finishTurn() bool {
	l.finishRounds()
	l.finishSends()
	if len(l.last) > 0 {
		last := l.last
		l.last = l.lastSpare[:0]
		for i, r := range last {
			last[i] = nil
			l.start(nil, nil, r)
		}
		l.lastSpare = last
		l.finishSends()
	}
	return len(l.ready) > 0 || len(l.spawned) > 0 || len(l.last) > 0 || l.hasSends()
}

// finishSends sends what was written, and has who wrote it go on.
func (l *Loop) finishSends() {
	if l.hasSends() {
		l.sendTogether()
		l.finishRounds()
	}
}

func (l *Loop) finishRounds() {
	for range 4 {
		if len(l.ready) == 0 && len(l.spawned) == 0 {
			return
		}
		ready, spawned := l.ready, l.spawned
		l.ready, l.spawned = l.readySpare[:0], l.spawnedSpare[:0]
		for i, co := range ready {
			ready[i] = nil
			l.switchTo(co)
		}
		for i, s := range spawned {
			spawned[i] = spawn{}
			l.start(s.h, s.c, s.r)
		}
		l.readySpare, l.spawnedSpare = ready, spawned
	}
}

func (l *Loop) readClock() {
	d := time.Since(l.engine.started)
	l.nowMicro = int64(d / time.Microsecond)
	l.now = int64(d/time.Millisecond) + 1
}

// Start runs h for c on a coroutine, soon.
func (l *Loop) Start(h Handler, c Conn) {
	if l.portable != nil {
		go l.portable.serve(h, c)
		return
	}
	l.spawned = append(l.spawned, spawn{h: h, c: c})
}

// Yield lets the other work of the loop go first.
func (l *Loop) Yield() {
	if l.portable != nil {
		l.portable.release()
		l.portable.acquire()
		return
	}
	l.unpark(l.current, wakeReady)
	l.park()
}

// watch reports a loop whose turn does not end: something in it waits where it must not. It looks at whole seconds, as all does that an idle
// process does every second: waking it is what costs.
func (e *Engine) watch() {
	every := e.config.SlowTurn / 2
	timer := time.NewTimer(every)
	defer timer.Stop()
	reported := make([]int64, len(e.loops))
	for {
		select {
		case <-e.stop:
			return
		case <-timer.C:
		}
		e.followClock()
		timer.Reset(every - time.Duration(time.Now().UnixNano())%every)
		now := e.loops[0].clock()
		for i, l := range e.loops {
			at := l.turnAt.Load()
			if at == 0 || at == reported[i] || now-at < e.config.SlowTurn.Milliseconds() {
				continue
			}
			reported[i] = at
			e.stuck(l, now-at)
		}
	}
}
