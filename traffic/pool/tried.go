package pool

// Tried remembers the servers an exchange has already tried. Owned by the exchange (part of its struct, so that Pick can
// borrow it without an allocation); the zero value is empty. Beyond 8 servers the oldest is forgotten.
type Tried struct {
	servers [8]*Server
	count   int
}

// Add remembers s.
func (t *Tried) Add(s *Server) {
	t.servers[t.count%len(t.servers)] = s
	t.count++
}

// Has reports whether s is remembered.
func (t *Tried) Has(s *Server) bool {
	for i := range min(t.count, len(t.servers)) {
		if t.servers[i] == s {
			return true
		}
	}
	return false
}

// Count is how many servers were added.
func (t *Tried) Count() int { return t.count }

// Reset empties t for the next exchange.
func (t *Tried) Reset() { *t = Tried{} }
