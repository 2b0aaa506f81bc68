package pen

import (
	"bytes"
	"sync"
	"time"
)

// Most is how many bytes wait for a destination that takes nothing, before lines are dropped.
const Most = 4 << 20

// stuckAfter is how long a write may take before the destination counts as stuck.
const stuckAfter = time.Second

// Pen writes lines on a goroutine of its own. Its methods may be called from any goroutine.
type Pen struct {
	write func(lines []byte) // may wait for ever
	end   func()             // called when nothing will be written any more
	wake  chan struct{}

	mu      sync.Mutex // guards what follows; never held during a write
	queue   []byte
	spare   []byte        // a buffer to be used again
	since   time.Time     // when the running write began; zero: none runs
	empty   chan struct{} // closed when everything is written; nil: nobody waits
	lost    uint64
	closing bool
}

// New makes a pen that writes by a function, which gets whole lines, and borrows them. end is called after the last write; both run on one goroutine.
func New(write func(lines []byte), end func()) *Pen {
	p := &Pen{write: write, end: end, wake: make(chan struct{}, 1)}
	go p.run()
	return p
}

// Put hands over whole lines, which are copied; false if they are dropped.
func (p *Pen) Put(lines []byte) bool {
	p.mu.Lock()
	fits := !p.closing && len(p.queue)+len(lines) <= Most
	if fits {
		p.queue = append(p.queue, lines...)
	} else {
		p.lost += uint64(bytes.Count(lines, []byte{'\n'}))
	}
	p.mu.Unlock()
	if fits {
		p.Poke()
	}
	return fits
}

// Poke has write called, though there may be no lines.
func (p *Pen) Poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Lost is the number of lines that were dropped.
func (p *Pen) Lost() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// IsStuck reports whether the destination has taken nothing for a while.
func (p *Pen) IsStuck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.since.IsZero() && time.Since(p.since) >= stuckAfter
}

// Flush waits until all lines are written, at most d; false if they are not.
func (p *Pen) Flush(d time.Duration) bool {
	p.mu.Lock()
	if len(p.queue) == 0 && p.since.IsZero() {
		p.mu.Unlock()
		return true
	}
	if p.empty == nil {
		p.empty = make(chan struct{})
	}
	empty := p.empty
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-empty:
		return true
	case <-timer.C:
		return false
	}
}

// Close writes what waits, for d at most, and ends the goroutine, as soon as the destination lets it. What is left then is dropped.
func (p *Pen) Close(d time.Duration) {
	p.Flush(d)
	p.mu.Lock()
	p.closing = true
	p.lost += uint64(bytes.Count(p.queue, []byte{'\n'}))
	p.queue = nil
	p.mu.Unlock()
	p.Poke()
}

func (p *Pen) run() {
	defer p.end()
	for range p.wake {
		for {
			lines, ok := p.take()
			if !ok {
				return
			}
			p.write(lines)
			if p.settle(lines) {
				break
			}
		}
	}
}

// take takes what waits; false when the pen is closed.
func (p *Pen) take() (lines []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return nil, false
	}
	lines, p.queue, p.spare = p.queue, p.spare[:0], nil
	p.since = time.Now()
	return lines, true
}

// settle notes that lines are written, and reports whether nothing waits.
func (p *Pen) settle(lines []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
	if cap(lines) <= spareMost {
		p.spare = lines[:0]
	}
	if len(p.queue) > 0 {
		return false
	}
	if p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
	return true
}

// spareMost bounds the buffer that is kept after a load spike.
const spareMost = 256 << 10
