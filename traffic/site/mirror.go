package site

// Mirror is where copies of a route's requests go. Immutable.
type Mirror struct {
	Route   *Route // of the copies
	Share   uint32 // of Points
	Body    int64  // bytes of the largest body that is copied
	Compare bool   // the answers
}

// Mirrored counts copies of requests.
type Mirrored struct {
	Sent    uint64 // requests whose copy went out
	Skipped uint64 // requests that got none: their bodies were too large, or too many copies were under way
	Failed  uint64 // copies that no server answered
	Same    uint64 // answers that were compared and are the same
	Differs uint64 // answers that were compared and are not
}

// Add sums up over loops.
func (m *Mirrored) Add(other Mirrored) {
	m.Sent += other.Sent
	m.Skipped += other.Skipped
	m.Failed += other.Failed
	m.Same += other.Same
	m.Differs += other.Differs
}
