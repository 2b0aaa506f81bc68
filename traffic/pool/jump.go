package pool

// jump is what the hashing policies do when a key's own server cannot be chosen: the key is hashed again and looks
// elsewhere, so that the keys of a lost server spread over all others instead of falling on its neighbour ("Revisiting
// Consistent Hashing with Bounded Loads", 2019).
type jump struct {
	*tier
	lookup func(hash uint64) *member // the table: the same for the same hash
	bound  float64                   // none if not positive
}

const (
	jumps = 16

	// A few requests on one server are no overload: up to here per loop a key stays where it is.
	boundFloor = 4
)

func (b *jump) pick(l *perLoop) *member {
	var second *member // can be chosen, but has its share
	hash := mix(l.key)
	for range jumps {
		m := b.lookup(hash)
		if l.takes(m) {
			if b.hasRoom(m, l) {
				return m
			}
			if second == nil {
				second = m
			}
		}
		hash = mix(hash)
	}
	if second != nil {
		return second
	}
	return b.next(l, int(hash>>32%uint64(len(b.members))))
}

// hasRoom reports whether one more request leaves the server within bound x its fair share of this loop's requests.
func (b *jump) hasRoom(m *member, l *perLoop) bool {
	if b.bound <= 0 {
		return true
	}
	inFlight := m.loads[l.loop].InFlight
	return inFlight < boundFloor || float64(inFlight+1)*m.perWeight*float64(len(b.members)) <= b.bound*float64(l.inFlight+1)
}

// mix is a bijection that spreads every bit over all (the finalizer of SplitMix64): callers' keys need not be uniform.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Key is the hash of s that Pick takes as key (FNV-1a, 64 bits). Equal in every process, so that a cluster agrees.
func Key[T string | []byte](s T) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// identityKey places a server in the tables: by what it is, not by where in the list it stands.
func (m *member) identityKey() uint64 { return mix(Key(m.Name) ^ mix(Key(m.Address.String()))) }
