package pool

// A tunnel holds its server for as long as it lasts, and has no answer whose time would tell anything. What is learnt of the server is learnt
// when the connection stands: Reached. Its end is Release, in place of End.

// Reached learns from a connection that stands after so many microseconds. It follows Begin.
func (p *Pool) Reached(s *Server, loop int, now, micros int64) {
	load := s.loads[loop]
	load.renew(s)
	load.latency.observe(now, float64(micros))
	p.succeeded(s, load, now)
}

// Release ends what was Reached.
func (p *Pool) Release(s *Server, loop int, now int64, outcome Outcome) {
	load := s.loads[loop]
	load.InFlight--
	load.Outcomes[outcome]++
	p.loops[loop].inFlight--
	if outcome.IsFailure() {
		p.failed(s, loop, now)
	}
}
