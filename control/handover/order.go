package handover

import (
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

// Once it leaves, the old process still has connections. It answers orders about them, which the new one sends: what the operator asks of weir concerns both.

// Order is what the new process asks of the old one.
type Order struct {
	ID     uint64 `json:"id"`
	What   string `json:"what"`
	Within int64  `json:"within"` // ms; nobody waits for a later answer
}

const (
	partMax   = 32 << 10 // bytes of an answer in one message
	answerMax = 16 << 20 // bytes of an answer
)

// takesWithin is when the old process says at the latest that it takes orders. Nobody waits after that: an earlier version never says it.
const takesWithin = 5 * time.Second

var (
	// ErrGone says that there is no old process any more: it has nothing left.
	ErrGone = errors.New("the process before has ended")
	// ErrSilent says that the old process has not answered in time.
	ErrSilent = errors.New("the process before, which still has connections, does not answer")
	// ErrTooLong says that an answer has more than answerMax bytes.
	ErrTooLong = errors.New("the answer of the process before is too long")
)

// Orders is the new process's side: Ask from any goroutine, the rest from the one that receives.
type Orders struct {
	channel *Channel
	begun   time.Time
	takes   chan struct{} // closed once the old process has said that it takes orders
	ended   chan struct{} // closed once it has ended
	turn    chan struct{} // holds one token: an order at a time

	mu     sync.Mutex // guards the rest
	id     uint64     // of the order that is waited for
	told   []byte     // of its answer
	pid    int
	answer chan Answer
}

// Answer is what the old process says to an order.
type Answer struct {
	Body []byte
	Err  error // why it was not done
}

// NewOrders makes the new process's side of a channel.
func NewOrders(c *Channel) *Orders {
	return &Orders{channel: c, begun: time.Now(), takes: make(chan struct{}), ended: make(chan struct{}), turn: make(chan struct{}, 1)}
}

// Taken is closed once the old process takes orders: it leaves.
func (o *Orders) Taken() <-chan struct{} { return o.takes }

// Ended is closed once the old process has ended.
func (o *Orders) Ended() <-chan struct{} { return o.ended }

// PID is the old process's; 0 until it is known.
func (o *Orders) PID() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pid
}

// Ask sends an order and waits for its answer, at most until by.
func (o *Orders) Ask(by time.Time, what string, body []byte) ([]byte, error) {
	late := time.NewTimer(time.Until(by))
	defer late.Stop()
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-o.ended:
		return nil, ErrGone
	case <-late.C:
		return nil, ErrSilent
	}
	if err := o.awaitTaking(late.C); err != nil {
		return nil, err
	}
	answer := make(chan Answer, 1)
	o.mu.Lock()
	o.id++
	id := o.id
	o.answer, o.told = answer, nil
	o.mu.Unlock()
	m := Message{Kind: Ordered, Order: &Order{ID: id, What: what, Within: time.Until(by).Milliseconds()}, Body: body}
	if err := o.channel.SendPatiently(by, m); HasEnded(err) {
		return nil, ErrGone
	} else if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a.Body, a.Err
	case <-o.ended:
		return nil, ErrGone
	case <-late.C:
		return nil, ErrSilent
	}
}

// awaitTaking waits until the old process takes orders, which it does once this one has proved itself.
func (o *Orders) awaitTaking(late <-chan time.Time) error {
	enough := time.NewTimer(time.Until(o.begun.Add(takesWithin)))
	defer enough.Stop()
	select {
	case <-o.takes:
		return nil
	default:
	}
	select {
	case <-o.takes:
		return nil
	case <-o.ended:
		return ErrGone
	case <-late:
	case <-enough.C:
	}
	return ErrSilent
}

// Settle waits until the old process takes orders: until then it has its listening sockets, too. It does not wait for one that has ended or is of an earlier version, nor after stop.
func (o *Orders) Settle(stop <-chan struct{}) {
	enough := time.NewTimer(time.Until(o.begun.Add(takesWithin)))
	defer enough.Stop()
	select {
	case <-o.takes:
	case <-o.ended:
	case <-stop:
	case <-enough.C:
	}
}

// Hear takes a message of the old process. It reports whether it belongs to orders.
func (o *Orders) Hear(m Message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch m.Kind {
	case Leaving:
		if o.pid == 0 {
			o.pid = m.PID
			close(o.takes)
		}
	case Answered:
		o.hearAnswer(m)
	default:
		return false
	}
	return true
}

// hearAnswer skips the answer to an order that nobody waits for any more.
func (o *Orders) hearAnswer(m Message) {
	if m.Order == nil || m.Order.ID != o.id || o.answer == nil {
		return
	}
	a := Answer{}
	switch o.told = append(o.told, m.Body...); {
	case len(o.told) > answerMax:
		a.Err = ErrTooLong
	case m.More:
		return
	case m.Why != "":
		a.Err = errors.New(m.Why)
	default:
		a.Body = o.told
	}
	o.answer <- a
	o.answer, o.told = nil, nil
}

// End says that the old process has ended.
func (o *Orders) End() { close(o.ended) }

// ServeOrders has do answer the orders of the new process, one after the other, until the channel ends. do gets the order's time.
func (c *Channel) ServeOrders(do func(by time.Time, what string, body []byte) ([]byte, error)) {
	if c.Send(Message{Kind: Leaving, PID: os.Getpid()}) != nil {
		return
	}
	for {
		m, fds, err := c.Receive(time.Time{})
		if err != nil {
			return
		}
		closeAll(fds)
		if m.Kind != Ordered || m.Order == nil {
			continue
		}
		by := time.Now().Add(time.Duration(m.Order.Within) * time.Millisecond)
		body, err := do(by, m.Order.What, m.Body)
		c.answer(by, *m.Order, body, err)
	}
}

// answer sends an answer in parts. What does not get through by the order's time is not waited for by anybody.
func (c *Channel) answer(by time.Time, to Order, body []byte, failed error) {
	if failed != nil {
		c.SendPatiently(by, Message{Kind: Answered, Order: &to, Why: failed.Error()})
		return
	}
	parts := slices.Collect(slices.Chunk(body, partMax))
	if len(parts) == 0 {
		parts = [][]byte{nil}
	}
	for i, part := range parts {
		if c.SendPatiently(by, Message{Kind: Answered, Order: &to, Body: part, More: i < len(parts)-1}) != nil {
			return
		}
	}
}
