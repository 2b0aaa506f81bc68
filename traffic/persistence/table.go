package persistence

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Table remembers for a bounded number of keys which server they are with. All loops share it, and only new keys take a lock: an entry is two words that are read and
// written one by one, in an order in which a key is never found with another's server.
type Table struct {
	expire uint32 // seconds an entry lives after its last use
	mask   uint64
	slots  []slot
	claims [claimLocks]sync.Mutex // by key

	Replaced atomic.Uint64 // entries that lived still and had to go for others
}

// slot is an entry: who is uint64(tag)<<32 | the second it expires in. 0 is empty, taken is one whose key is being changed.
type slot struct{ key, who atomic.Uint64 }

const taken = 1<<32 | 1

// claimLocks is the number of locks that claims are spread over.
const claimLocks = 64

// ways is the number of places that a key may be at.
const ways = 8

// NewTable makes a table for size keys, rounded up, that expire so many seconds after their last use.
func NewTable(size int, expire uint32) *Table {
	n := uint64(1) << bits.Len64(uint64(max(size, ways)-1))
	return &Table{expire: expire, mask: n/ways - 1, slots: make([]slot, n)}
}

// IsLike reports whether the tables have the same shape.
func (t *Table) IsLike(other *Table) bool {
	return t.expire == other.expire && len(t.slots) == len(other.slots)
}

// Size is the number of entries that fit.
func (t *Table) Size() int { return len(t.slots) }

// Used counts the entries that live. It looks at all of them.
func (t *Table) Used(now int64) (n int) {
	for i := range t.slots {
		if w := t.slots[i].who.Load(); w != 0 && uint32(w) > seconds(now) {
			n++
		}
	}
	return n
}

func seconds(ms int64) uint32 { return uint32(ms/1000) + 1 }

func (t *Table) set(key uint64) []slot {
	i := (key & t.mask) * ways
	return t.slots[i : i+ways]
}

func (t *Table) get(key uint64, now int64) (tag uint32, ok bool) {
	set, at := t.set(key), seconds(now)
	for i := range set {
		w := set[i].who.Load()
		// Read again: between the two the entry may have gone to another key.
		if uint32(w) <= at || set[i].key.Load() != key || set[i].who.Load() != w {
			continue
		}
		if until := at + t.expire; uint32(w) != until {
			set[i].who.CompareAndSwap(w, w&^0xffffffff|uint64(until))
		}
		return uint32(w >> 32), true
	}
	return 0, false
}

func (t *Table) put(key uint64, tag uint32, now int64) { t.keep(key, tag, t.expire, now) }

// keep notes an entry that lives so many seconds from now on.
func (t *Table) keep(key uint64, tag, left uint32, now int64) {
	set, at := t.set(key), seconds(now)
	who := uint64(tag)<<32 | uint64(at+left)
	var oldest *slot
	var until uint64
	for i := range set {
		w := set[i].who.Load()
		switch {
		case w == taken:
		case w != 0 && set[i].key.Load() == key:
			set[i].who.CompareAndSwap(w, who)
			return
		case oldest == nil || uint32(w) < uint32(until):
			oldest, until = &set[i], w
		}
	}
	if oldest == nil || !oldest.who.CompareAndSwap(until, taken) {
		return // another loop is at it: this key is remembered at its next request
	}
	if uint32(until) > at {
		t.Replaced.Add(1)
	}
	oldest.key.Store(key)
	oldest.who.Store(who)
}

// claim notes tag for a key that has none, and returns the tag that the key has then: whoever claims it at one moment, on whatever loop, gets the same one. Once for
// each new key, so a lock, which is held for the time of some loads and stores, is cheaper than an entry that two may take for their own.
func (t *Table) claim(key uint64, tag uint32, now int64) uint32 {
	lock := &t.claims[key%claimLocks]
	lock.Lock()
	defer lock.Unlock()
	if known, ok := t.get(key, now); ok {
		return known
	}
	t.put(key, tag, now)
	return tag
}

func (t *Table) forget(key uint64) {
	set := t.set(key)
	for i := range set {
		if w := set[i].who.Load(); w != taken && set[i].key.Load() == key {
			set[i].who.CompareAndSwap(w, 0)
		}
	}
}

// of counts the living entries with that tag, and says in how many seconds the last of them expires.
func (t *Table) of(tag uint32, now int64) (n int, last uint32) {
	at := seconds(now)
	for i := range t.slots {
		w := t.slots[i].who.Load()
		if uint32(w) > at && uint32(w>>32) == tag {
			n++
			last = max(last, uint32(w)-at)
		}
	}
	return n, last
}
