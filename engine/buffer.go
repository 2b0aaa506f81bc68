package engine

// Buffer sizes in bytes, by class. 4 KiB holds nearly every head; 16 KiB a head with a small body in one send; 64 KiB and 256 KiB carry
// bodies.
const (
	Buffer4K   = 4 << 10
	Buffer16K  = 16 << 10
	Buffer64K  = 64 << 10
	Buffer256K = 256 << 10
)

// buffers keeps free buffers by class for one loop. Last in, first out: the next exchange finds its bytes in the cache.
type buffers struct {
	free [4][][]byte
	low  [4]int // the fewest in free since the last Trim
	out  int    // buffers handed out and not returned
	held int64  // bytes of those, and what Hold says
}

// kept bounds the free buffers per class, about 4 MiB each, so that a burst does not stay in memory for ever.
var kept = [4]int{1024, 256, 64, 16}

var sizes = [4]int{Buffer4K, Buffer16K, Buffer64K, Buffer256K}

func class(size int) int {
	switch {
	case size <= Buffer4K:
		return 0
	case size <= Buffer16K:
		return 1
	case size <= Buffer64K:
		return 2
	case size <= Buffer256K:
		return 3
	}
	return -1
}

// Room is b if it has room for size bytes. If not, b, which may be nil, goes back, and a buffer that has, of Buffer16K at least, comes in its place.
func (l *Loop) Room(b []byte, size int) []byte {
	if len(b) >= size {
		return b
	}
	l.Release(b)
	return l.Buffer(max(size, Buffer16K))
}

// Buffer returns a buffer of the smallest class that holds size bytes, its length the class's size, its contents arbitrary; the
// caller gives it back with Release. Sizes above Buffer256K are allocated.
func (l *Loop) Buffer(size int) []byte {
	k := class(size)
	l.buffers.out++
	if k < 0 {
		l.buffers.held += int64(size)
		return make([]byte, size)
	}
	l.buffers.held += int64(sizes[k])
	list := &l.buffers.free[k]
	if n := len(*list); n > 0 {
		b := (*list)[n-1]
		(*list)[n-1] = nil
		*list = (*list)[:n-1]
		l.buffers.low[k] = min(l.buffers.low[k], n-1)
		return b
	}
	return make([]byte, sizes[k])
}

// Release takes back a buffer from Buffer; nil is allowed. The caller keeps no slice of it.
func (l *Loop) Release(b []byte) {
	if b == nil {
		return
	}
	l.buffers.out--
	b = b[:cap(b)]
	l.buffers.held -= int64(len(b))
	k := class(len(b))
	if k < 0 || len(l.buffers.free[k]) >= kept[k] {
		return
	}
	l.buffers.free[k] = append(l.buffers.free[k], b)
}

// BuffersOut is the number of buffers that are in use.
func (l *Loop) BuffersOut() int { return l.buffers.out }
