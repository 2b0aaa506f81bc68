package accesslog

import (
	"encoding/binary"
	"sync/atomic"
)

// Ring carries records from one loop to the worker. Written by its loop alone.
type Ring struct {
	buf     []byte
	mask    uint64
	_       [64]byte
	head    atomic.Uint64 // bytes written, published
	written uint64        // the same, of the writer alone
	_       [48]byte
	tail    atomic.Uint64 // bytes read
	wake    chan<- struct{}
	poked   atomic.Bool // the worker was woken and has not looked yet
	Dropped uint64      // records that found no room; owned by the loop
}

// NewRing makes a ring of size bytes, a power of two.
func NewRing(size int) *Ring { return &Ring{buf: make([]byte, size), mask: uint64(size - 1)} }

// Put copies a record into the ring; false when there is no room for it.
func (r *Ring) Put(record []byte) bool {
	need := uint64(len(record)) + 4
	if need > uint64(len(r.buf)) || uint64(len(r.buf))-(r.written-r.tail.Load()) < need {
		r.Dropped++
		return false
	}
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(record)))
	r.copyIn(r.written, size[:])
	r.copyIn(r.written+4, record)
	r.written += need
	r.head.Store(r.written)
	if r.written-r.tail.Load() > uint64(len(r.buf))/4 {
		r.poke()
	}
	return true
}

// poke wakes the worker when a burst meets it asleep: it looks once a second then, and the ring would be full before. Under a steady load
// the worker is always earlier.
func (r *Ring) poke() {
	if r.poked.Load() {
		return
	}
	r.poked.Store(true)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Ring) copyIn(at uint64, b []byte) {
	i := at & r.mask
	n := copy(r.buf[i:], b)
	copy(r.buf, b[n:])
}

// Take appends the oldest record to dst; false when the ring is empty. Only the worker calls it.
func (r *Ring) Take(dst []byte) ([]byte, bool) {
	at := r.tail.Load()
	if r.head.Load() == at {
		return dst, false
	}
	var size [4]byte
	r.copyOut(at, size[:])
	n := binary.LittleEndian.Uint32(size[:])
	from := len(dst)
	dst = append(dst, make([]byte, n)...)
	r.copyOut(at+4, dst[from:])
	r.tail.Store(at + 4 + uint64(n))
	return dst, true
}

func (r *Ring) copyOut(at uint64, b []byte) {
	i := at & r.mask
	n := copy(b, r.buf[i:])
	copy(b[n:], r.buf)
}
