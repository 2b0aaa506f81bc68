package pool

// Admit is Pick and Begin in one, under the limits of servers and pool. A request that is Full may Enqueue and asks again with
// queued set once it is woken; others do not get before those that wait. held is what End has to be given.
func (p *Pool) Admit(loop int, now int64, key uint64, tried *Tried, queued bool, held *Held) (*Server, Reason) {
	if !queued && p.isContended(loop) {
		return nil, Full
	}
	for range admitTries {
		s, why := p.Pick(loop, now, key, tried)
		if s == nil {
			return nil, why
		}
		m := p.loops[loop].picked
		if m.requests == nil || m.requests.Take() {
			*held = Held{requests: m.requests, Connections: m.connections}
			p.Begin(s, loop)
			return s, Picked
		}
	}
	return nil, Full
}

// AdmitLasting is Admit for what goes on long after its server has answered: connections that are carried as they are, and requests that ask for an upgrade. How fast a server answers says
// nothing of how many of them it can have, so least_latency counts them, as least_requests does.
func (p *Pool) AdmitLasting(loop int, now int64, key uint64, tried *Tried, queued bool, held *Held) (*Server, Reason) {
	l := p.loops[loop]
	l.isLasting = true
	s, why := p.Admit(loop, now, key, tried, queued, held)
	l.isLasting = false
	return s, why
}

// AdmitTo is Admit for a request that one server alone can take.
func (p *Pool) AdmitTo(loop int, s *Server, queued bool, held *Held) (*Server, Reason) {
	if !p.isLimited {
		p.Begin(s, loop)
		return s, Picked
	}
	m := p.Set().member(s)
	if !queued && p.isContended(loop) || m != nil && m.requests != nil && !m.requests.Take() {
		return nil, Full
	}
	if m != nil {
		*held = Held{requests: m.requests, Connections: m.connections}
	}
	p.Begin(s, loop)
	return s, Picked
}

// admitTries bounds how often other loops may take the last place between a look and the grasp for it.
const admitTries = 8

// isContended reports whether somebody waits for the pool already.
func (p *Pool) isContended(loop int) bool {
	if q := p.loops[loop].queue; q != nil && q.waiting > 0 {
		return true
	}
	return p.isLimited && p.shared.waiting.used.Load() > 0
}

// Settle gives back what an attempt at s held; it follows End. It names a loop on which a request waits for the room, to be woken by
// WakeNext there; -1 if there is none.
func (p *Pool) Settle(loop int, s *Server, held *Held) (wake int) {
	if held.requests != nil {
		held.requests.Give()
	}
	*held = Held{}
	l := p.loops[loop]
	q := l.queue
	waitsHere := q != nil && q.first() != nil
	switch {
	case waitsHere && s != nil && s.share.Load() > 0:
		return loop // what this loop learnt to hold back is nobody else's
	case p.isLimited && waitsHere && l.inARow < inARowMost:
		l.inARow++
		return loop
	case p.isLimited:
		l.inARow = 0
		return p.shared.nextWaiting()
	case waitsHere:
		return loop
	}
	return -1
}

// inARowMost is how many places a loop may keep before another that waits gets one: it has the connection open that another would have
// to close and open again.
const inARowMost = 8

// HasRoom reports whether the server, which a request of the queue has just got, could take another.
func (p *Pool) HasRoom(loop int, s *Server, held *Held) bool {
	return !s.isHeldBack(loop) && (held.requests == nil || held.requests.hasRoom())
}

// QueueWait is how many ms a request may wait; 0 if there is no queue.
func (p *Pool) QueueWait() int64 {
	if p.config.Queue.Off {
		return 0
	}
	return p.config.Queue.Wait
}

// Enqueue has w wait until it is woken, or says why it is refused: Full, when there is no room in the queue, or Shed, when it would
// wait too long. The longest wait is the caller's to watch.
func (p *Pool) Enqueue(loop int, now int64, w *Waiter) Reason {
	l := p.loops[loop]
	c := &p.config.Queue
	if c.Off {
		l.Shed[w.Class]++
		return Full
	}
	if l.queue == nil {
		l.queue = &queue{}
	}
	q := l.queue
	if q.inLine() == 0 {
		q.begin(now)
	}
	if q.expected(now, w.Client, w.Class) > float64(c.Wait)*w.Class.patience() {
		l.Shed[w.Class]++
		return Shed
	}
	if !p.shared.waiting.take(int32(c.Length)) && !p.displace(l, w) {
		l.Shed[w.Class]++
		return Full
	}
	w.Shed = false
	q.waiting++
	l.Queued++
	p.line(l, w, false)
	return Picked
}

// displace makes room for w by putting another request out of the queue, whose place w gets.
func (p *Pool) displace(l *perLoop, w *Waiter) bool {
	out := l.queue.displaced(w.Client, w.Class)
	if out == nil {
		return false
	}
	p.unline(l, out)
	l.queue.waiting--
	l.Shed[out.Class]++
	out.Shed = true
	out.Wake.Wake()
	return true
}

// Requeue has a request that was woken in vain go on waiting, before its client's others.
func (p *Pool) Requeue(loop int, w *Waiter) { p.line(p.loops[loop], w, true) }

// Leave ends a request's wait: why is Picked if it got a server, Left if its client left, else why it was refused. Those that waited too long do not make the queue faster: newcomers
// would be queued who cannot be served in time either.
func (p *Pool) Leave(loop int, now int64, w *Waiter, why Reason) {
	l := p.loops[loop]
	if w.IsInLine() {
		p.unline(l, w)
		if why == Picked || why == Left {
			l.queue.went(now)
		}
	}
	if !w.Shed {
		l.queue.waiting--
		p.shared.waiting.used.Add(-1)
	}
}

// IsNext reports whether w would be woken next on its loop.
func (p *Pool) IsNext(loop int, w *Waiter) bool { return p.loops[loop].queue.first() == w }

// WakeNext wakes the request of the loop that goes next; it must be called on that loop. Where nobody waits any more, it names a
// loop where somebody does, as Settle.
func (p *Pool) WakeNext(loop int, now int64) (wake int) {
	l := p.loops[loop]
	if l.queue == nil {
		return p.shared.nextWaiting()
	}
	w := l.queue.pop()
	if w == nil {
		return p.shared.nextWaiting()
	}
	p.shared.lined[loop].n.Add(-1)
	l.queue.went(now)
	w.Wake.Wake()
	return -1
}

func (p *Pool) line(l *perLoop, w *Waiter, atFront bool) {
	l.queue.add(w, atFront)
	p.shared.lined[l.loop].n.Add(1)
}

func (p *Pool) unline(l *perLoop, w *Waiter) {
	l.queue.remove(w)
	p.shared.lined[l.loop].n.Add(-1)
}
