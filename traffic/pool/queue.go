package pool

import "net/netip"

// queue is the requests of one loop that wait until a server has room: classes in their order, in a class one client after the
// other, of a client first in first out. Owned by its loop; carried from pool to pool at a reload.
type queue struct {
	classes [classCount]classQueue
	waiting int // in line, and those that were woken and try again

	// How fast requests leave the queue, from which newcomers are told how long they would wait.
	since int64   // ms: the present interval began
	gone  int     // left in it
	rate  float64 // per ms, over the intervals before; 0: not known
}

// classQueue is the lines of the clients of a class in a ring.
type classQueue struct {
	lines  map[netip.Addr]*line
	turn   *line // whose first goes next; nil: nobody waits
	count  int
	rounds []int // how many lines have a request left for the first round of turns, for the second and so on
}

// line is the waiting requests of one client.
type line struct {
	client      netip.Addr
	first, last *Waiter
	count       int
	next, prev  *line
}

// Waiter is a request in a queue. Part of the exchange, owned by its loop.
type Waiter struct {
	Client netip.Addr
	Class  Class
	Wake   interface{ Wake() } // called on the waiter's loop, at most once until it waits again

	// Shed is set when the request was put out of the queue for one that goes before it.
	Shed bool

	line       *line
	next, prev *Waiter
}

// IsInLine reports whether nobody has woken the waiter.
func (w *Waiter) IsInLine() bool { return w.line != nil }

// add puts w at the end of its client's line, or at the front of it when it waited before.
func (q *queue) add(w *Waiter, atFront bool) {
	c := &q.classes[w.Class]
	l := c.lines[w.Client]
	if l == nil {
		if c.lines == nil {
			c.lines = map[netip.Addr]*line{}
		}
		l = &line{client: w.Client}
		c.lines[w.Client] = l
		c.link(l)
	}
	w.line = l
	if atFront {
		c.turn = l
		w.prev, w.next = nil, l.first
	} else {
		w.prev, w.next = l.last, nil
	}
	if w.prev != nil {
		w.prev.next = w
	} else {
		l.first = w
	}
	if w.next != nil {
		w.next.prev = w
	} else {
		l.last = w
	}
	l.count++
	c.count++
	if l.count > len(c.rounds) {
		c.rounds = append(c.rounds, 0)
	}
	c.rounds[l.count-1]++
}

// link puts a line behind all others.
func (c *classQueue) link(l *line) {
	if c.turn == nil {
		c.turn, l.next, l.prev = l, l, l
		return
	}
	l.next, l.prev = c.turn, c.turn.prev
	l.prev.next, l.next.prev = l, l
}

// remove takes w out of its line.
func (q *queue) remove(w *Waiter) {
	c, l := &q.classes[w.Class], w.line
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.line, w.next, w.prev = nil, nil, nil
	c.rounds[l.count-1]--
	l.count--
	c.count--
	if l.count > 0 {
		return
	}
	delete(c.lines, l.client)
	if l.next == l {
		c.turn = nil
		return
	}
	l.prev.next, l.next.prev = l.next, l.prev
	if c.turn == l {
		c.turn = l.next
	}
}

// first is the request that goes next; nil if none waits.
func (q *queue) first() *Waiter {
	for i := range q.classes {
		if t := q.classes[i].turn; t != nil {
			return t.first
		}
	}
	return nil
}

// pop takes out the request that goes next, and gives the turn to the next client.
func (q *queue) pop() *Waiter {
	w := q.first()
	if w == nil {
		return nil
	}
	c := &q.classes[w.Class]
	c.turn = w.line.next
	q.remove(w)
	return w
}

// inLine is how many wait.
func (q *queue) inLine() (n int) {
	for i := range q.classes {
		n += q.classes[i].count
	}
	return n
}

// ahead is how many go before the next request of the client: those of higher classes, and of each line of its own class as many as get a turn before it.
func (q *queue) ahead(client netip.Addr, class Class) (n int) {
	for i := range class {
		n += q.classes[i].count
	}
	c := &q.classes[class]
	own := 0
	if l := c.lines[client]; l != nil {
		own = l.count
	}
	for round := range min(own+1, len(c.rounds), roundsMost) {
		n += c.rounds[round]
	}
	if own >= roundsMost {
		n += (own + 1 - roundsMost) * c.rounds[roundsMost-1]
	}
	return min(n, q.inLine())
}

// roundsMost is how many rounds are looked at one by one; later ones count as the last of these, so that a client with a long line does not make work.
const roundsMost = 64

// The rate is measured over intervals of paceOver ms at least. An interval counts the more the longer it was, in relation to paceMemory.
const paceOver, paceMemory = 50, 100

// begin starts to measure anew. What was known is of a time when other requests held the servers, and the queue has become empty since.
func (q *queue) begin(now int64) { q.since, q.gone, q.rate = now, 0, 0 }

// went notes that a request left the queue: for a server, or because its client left.
func (q *queue) went(now int64) {
	q.gone++
	if now-q.since >= paceOver {
		q.rate = q.rateWith(now, q.gone)
		q.since, q.gone = now, 0
	}
}

// rateWith is the rate if so many have left in the present interval; 0 if it is not known.
func (q *queue) rateWith(now int64, gone int) float64 {
	d := float64(now - q.since)
	if d < paceOver {
		return q.rate
	}
	sample := float64(gone) / d
	if q.rate == 0 {
		return sample
	}
	return q.rate + (sample-q.rate)*d/(d+paceMemory)
}

// expected is how many ms a request of the client would wait; 0 if that is not known.
func (q *queue) expected(now int64, client netip.Addr, class Class) float64 {
	rate := q.rateWith(now, q.gone+1) // the next is about to leave
	if rate == 0 {
		return 0
	}
	return float64(q.ahead(client, class)) / rate
}

// displaced is the request that makes room for one of that client and class in a full queue: the last of a lower class, or of a
// client of the same class that has far more than its share; nil if there is none.
func (q *queue) displaced(client netip.Addr, class Class) *Waiter {
	for i := int(classCount) - 1; i > int(class); i-- {
		if c := &q.classes[i]; c.turn != nil {
			return c.turn.prev.last
		}
	}
	c := &q.classes[class]
	own := 0
	if l := c.lines[client]; l != nil {
		own = l.count
	}
	if c.turn == nil || (own+1)*len(c.lines) >= c.count {
		return nil
	}
	longest := c.turn
	for l := c.turn.next; l != c.turn; l = l.next {
		if l.count > longest.count {
			longest = l
		}
	}
	if longest.count <= own+1 {
		return nil
	}
	return longest.last
}
