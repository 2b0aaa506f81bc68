package pool

// slowSoon is the slowSince of a server that starts when it is looked at next: who says that it is well has no loop's clock.
const slowSoon = -1

// slowLeast is the share of its share that a server begins with.
const slowLeast = 0.1

// passesSlowly lets a server that is getting up to its share be taken that often, for every policy alike.
func (l *perLoop) passesSlowly(s *Server) bool {
	since := s.slowSince.Load()
	if since == slowSoon {
		s.slowSince.CompareAndSwap(slowSoon, l.now)
		since = l.now
	}
	d := l.now - since
	if d >= l.slowStart {
		s.slowSince.CompareAndSwap(since, 0)
		return true
	}
	share := max(slowLeast, float64(d)/float64(l.slowStart))
	return l.below(1<<16) < int(share*(1<<16))
}
