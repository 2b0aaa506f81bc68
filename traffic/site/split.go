package site

import "sort"

// Split divides the requests of a route. Immutable.
type Split struct {
	Arms   []Arm
	Cookie string // that keeps a client where it is; "": none
	Key    Key    // that decides; KeyNone: a draw
	Salt   uint64 // of the route: the same key means something else to balancing, and to other routes
}

// Arm is what becomes of a share of the requests.
type Arm struct {
	Until uint32 // the first point that is no longer its own
	Route *Route
}

// Points is how many points the arms of a split share. A client keeps its point while shares change.
const Points = 1_000_000

// At is the arm that has a point, below Points.
func (s *Split) At(point uint32) *Arm {
	i := sort.Search(len(s.Arms)-1, func(i int) bool { return point < s.Arms[i].Until })
	return &s.Arms[i]
}

// PointOf is the point of a key's hash.
func (s *Split) PointOf(key uint64) uint32 {
	x := (key ^ s.Salt) * 0x9e3779b97f4a7c15 // Steele, Lea and Flood's splitmix64, so that near hashes lie apart
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return uint32((x ^ x>>31) % Points)
}

// Largest is the arm that has the largest share.
func (s *Split) Largest() *Arm {
	best, most, from := 0, uint32(0), uint32(0)
	for i, a := range s.Arms {
		if a.Until-from > most {
			best, most = i, a.Until-from
		}
		from = a.Until
	}
	return &s.Arms[best]
}
