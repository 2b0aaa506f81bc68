package pool

// failed judges the server after a failure of real traffic. Rare, so it may write what all loops read.
func (p *Pool) failed(s *Server, loop int, now int64) {
	c, load := &p.config.Eject, s.Load(loop)
	if c.Off || s.IsEjected(now) {
		return // what was in flight when it was ejected says nothing new
	}
	load.window.count(now, p.slotWidth, true)
	inARow := int(s.consecutive.Add(1))
	if c.Consecutive > 0 && inARow >= c.Consecutive || c.Ratio > 0 && load.window.exceeds(c.Ratio, c.Requests) || p.isOutlier(s, loop, now) {
		p.eject(s, load, now)
	}
}

// IsFailure reports whether an answer of that status counts against its server.
func (p *Pool) IsFailure(status int) bool { return p.failing[status/64&15]>>(status%64)&1 != 0 }

// succeeded ends a row of failures; it writes to the shared Server only if there was one.
func (p *Pool) succeeded(s *Server, load *Load, now int64) {
	load.window.count(now, p.slotWidth, false)
	if s.consecutive.Load() != 0 {
		s.consecutive.Store(0)
	}
}

// eject leaves the server alone for Base x n, unless too many of the set are already.
func (p *Pool) eject(s *Server, load *Load, now int64) {
	// Two loops must not eject the last allowed server both. Whoever comes second leaves it to its next failure.
	if !p.isEjecting.CompareAndSwap(false, true) {
		return
	}
	defer p.isEjecting.Store(false)
	if s.IsEjected(now) || !p.mayEject(now) {
		return
	}
	c := &p.config.Eject
	if now-s.quietFrom.Load() > c.Quiet {
		s.ejections.Store(0)
	}
	n := int64(s.ejections.Add(1))
	s.consecutive.Store(0)
	until := now + min(c.Base*n, c.Max)
	s.ejectedUntil.Store(until)
	s.quietFrom.Store(until)
	s.slowSince.Store(until)
	load.window = window{}
	load.Ejections++
}

// mayEject reports whether one more of the set may be ejected.
func (p *Pool) mayEject(now int64) bool {
	ejected := 1
	servers := p.Set().Servers
	for _, s := range servers {
		if s.IsEjected(now) {
			ejected++
		}
	}
	return float64(ejected) <= p.config.Eject.Share*float64(len(servers))
}
