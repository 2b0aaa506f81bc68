package pool

import "sync/atomic"

// Server is one address that can do the pool's work, with its live state. The named fields are immutable; the rest is
// atomic and may be read from anywhere, but for the loads, which belong to their loops. The same Server lives on through
// reloads as long as its name and address stay.
type Server struct {
	// What a pick reads comes first, in one cache line.
	blocked      atomic.Uint32 // blockDown
	returns      atomic.Uint32 // how often checks have found it well that had found it down
	ejectedUntil atomic.Int64  // ms; 0: never, or a check has ended it
	share        atomic.Int32  // of each loop's requests in flight, while the server is overloaded; 0: no limit
	slowSince    atomic.Int64  // ms since when it is getting up to its share; slowSoon: from the next look on; 0: it is not
	loads        []*Load       // by loop

	Name    string // as configured
	Host    string // the name it was resolved from (for SNI and Host), "" if configured by address
	Address Address

	health      atomic.Uint32 // Health
	isGone      atomic.Bool
	consecutive atomic.Int32 // failures in a row over all loops
	ejections   atomic.Int32 // n of the last ejection
	quietFrom   atomic.Int64 // ms: the end of the last ejection as it was meant; n starts again some time after

	overload overload

	requests, connections places // under way, while there is a limit to them
}

const blockDown uint32 = 1

// Health is the verdict of active checks.
type Health uint32

const (
	Unknown Health = iota // not checked yet, or never: counts as up
	Up
	Down
)

func (h Health) String() string { return [...]string{"unknown", "up", "down"}[h] }

func newServer(name, host string, address Address, loops int) *Server {
	s := &Server{Name: name, Host: host, Address: address, loads: make([]*Load, loops),
		overload: overload{reports: make([]report, loops), seen: make([]uint64, loops)}}
	for i := range s.loads {
		// One allocation each: of a slice of them, only the first would be sure to begin a cache line.
		s.loads[i] = new(Load)
	}
	return s
}

// Load is the loop's own view of the server; only that loop may touch it.
func (s *Server) Load(loop int) *Load { return s.loads[loop] }

// Health is the verdict of the active checks.
func (s *Server) Health() Health { return Health(s.health.Load()) }

// SetHealth publishes the verdict of the active checks to all loops.
func (s *Server) SetHealth(h Health) {
	if was := Health(s.health.Swap(uint32(h))); was == Down && h != Down {
		s.slowSince.Store(slowSoon)
		s.returns.Add(1)
		s.ejectedUntil.Store(0) // for failures of before it was down: what checks found ill is ill until they find it well
	}
	s.block(blockDown, h == Down)
}

// IsEjected reports whether the server is left alone at now because of failures of real traffic.
func (s *Server) IsEjected(now int64) bool { return s.ejectedUntil.Load() > now }

// EjectedUntil is the time of the loops' clock, in ms, at which the last ejection ends or ended; 0 if there was none.
func (s *Server) EjectedUntil() int64 { return s.ejectedUntil.Load() }

// IsGone reports whether the server has left its pool for good: kept connections to it should be closed.
func (s *Server) IsGone() bool { return s.isGone.Load() }

func (s *Server) block(bit uint32, on bool) {
	if on {
		s.blocked.Or(bit)
	} else {
		s.blocked.And(^bit)
	}
}
