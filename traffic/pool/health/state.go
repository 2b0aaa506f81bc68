package health

import "github.com/weir-proxy/weir/traffic/pool"

// transitions is the whole state machine: what a row of equal results does to a server. In every other case the state stays
// and the row of results goes on.
//
//	unknown ──1 pass──► up ◄──Rise passes── down
//	   └──────1 fail──► down ◄──Fall fails── up
var transitions = []struct {
	from   pool.Health
	passed bool
	needs  func(c Config) int // results in a row
	to     pool.Health
}{
	// The first check decides at once: a server that was never seen well is not trusted for three more checks.
	{pool.Unknown, true, once, pool.Up},
	{pool.Unknown, false, once, pool.Down},
	{pool.Up, false, Config.fall, pool.Down},
	{pool.Down, true, Config.rise, pool.Up},
}

func once(Config) int      { return 1 }
func (c Config) rise() int { return c.Rise }
func (c Config) fall() int { return c.Fall }

// state is where a server stands. Owned by its checker.
type state struct {
	health pool.Health
	passed bool // the last result
	inARow int  // results equal to it
}

// take moves the state by one result and reports whether the health has changed.
func (s *state) take(c Config, passed bool) bool {
	if s.inARow == 0 || passed != s.passed {
		s.passed, s.inARow = passed, 0
	}
	s.inARow++
	for _, t := range transitions {
		if t.from == s.health && t.passed == passed && s.inARow >= t.needs(c) {
			*s = state{health: t.to}
			return true
		}
	}
	return false
}
