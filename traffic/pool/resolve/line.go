package resolve

import (
	"container/heap"
	"time"
)

// Names stand in two lines, each with a bound to its look-ups in flight: a name whose look-ups take long stands in the slow one, so that names that hang, however many,
// hold up only each other.
type lineKind uint8

const (
	quickLine lineKind = iota
	slowLine
	lineCount
)

// linesMost bounds the look-ups in flight. Each has a goroutine and a socket.
var linesMost = [lineCount]int{quickLine: 64, slowLine: 128}

// slowAfter is how long a look-up may stay in the quick line.
const slowAfter = 500 * time.Millisecond

// line is the names that wait for their next look-up, and the number of look-ups in flight. Guarded by Resolver.mu.
type line struct {
	waiting  byTime
	inFlight int
}

func (l *line) push(w *watch)   { heap.Push(&l.waiting, w) }
func (l *line) remove(w *watch) { heap.Remove(&l.waiting, w.index) }

// moveTo changes the time of a name that waits.
func (l *line) moveTo(w *watch, at time.Time) {
	w.at = at
	heap.Fix(&l.waiting, w.index)
}

// byTime is a heap: the name that is due first is the first.
type byTime []*watch

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h byTime) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *byTime) Push(x any) {
	w := x.(*watch)
	w.index = len(*h)
	*h = append(*h, w)
}

func (h *byTime) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	w.index = -1
	return w
}
