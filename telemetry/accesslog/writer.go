package accesslog

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// WriterConfig says where lines go.
type WriterConfig struct {
	File   string // a path, "stdout" or "stderr"; "" writes nothing
	Format Format
	Head   func(now time.Time) string                         // what a file begins with, or goes on with after weir has opened it; may be nil
	Log    func(level slog.Level, format string, args ...any) // told when writing fails and when it works again

	Rotation Rotation // of a file
}

// Writer is the worker that empties the rings. It never waits for what it writes to.
type Writer struct {
	rings    []*Ring
	mu       sync.Mutex // guards what follows; held while lines are formatted, never while they are written
	config   WriterConfig
	outlet   *outlet // nil: there is nowhere to write to
	buf      []byte
	record   []byte
	parsed   Record        // here and not on the stack: a Format is a value, and what is given to it would be allocated
	looked   time.Time     // when the outlet was last told to look for its file
	dropping notice        // the outlet takes nothing
	lost     uint64        // lines that earlier outlets have lost
	wake     chan struct{} // Configure has changed something, or a ring fills
	stop     chan struct{}
	done     chan struct{}
}

// How often the rings are looked at: often under load, seldom when nothing comes or nothing is written. A loop wakes the worker only when
// its ring has filled by a quarter. An idle weir is woken at whole seconds, for all that it does every second: each time costs about 0.03 %
// of a processor.
const (
	pollBusy = 10 * time.Millisecond
	pollIdle = time.Second
	pollOff  = 10 * time.Second
	lookMost = time.Second // how often the file is looked for under its name
	flushAt  = 64 << 10
)

// NewWriter starts the worker; Configure says where to.
func NewWriter(rings []*Ring) *Writer {
	w := &Writer{rings: rings, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	for _, r := range rings {
		r.wake = w.wake
	}
	go w.run()
	return w
}

// Configure changes where lines go, from the next record on. A file that cannot be opened is an error, and the old one stays. An outlet that is stuck is kept as long as its name is
// the same: another would hang too, and hold another thread.
func (w *Writer) Configure(c WriterConfig) error {
	if c.Log == nil {
		c.Log = func(slog.Level, string, ...any) {}
	}
	if w.keepStuck(c) {
		return nil
	}
	o, err := openOutlet(&c)
	if err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	w.mu.Lock()
	w.takeAll() // what has ended until now belongs to where lines went until now
	old := w.outlet
	w.config, w.outlet, w.dropping = c, o, notice{}
	w.mu.Unlock()
	w.retire(old)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// keepStuck reports whether the outlet stays.
func (w *Writer) keepStuck(c WriterConfig) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stays(c) {
		return false
	}
	w.config = c
	return true
}

// stays reports whether the outlet is stuck and has the name of the new configuration. The caller holds mu.
func (w *Writer) stays(c WriterConfig) bool {
	return w.outlet != nil && w.outlet.name == c.File && w.outlet.pen.IsStuck()
}

// retire closes an outlet that gets no more lines.
func (w *Writer) retire(o *outlet) {
	if o == nil {
		return
	}
	lost := o.close()
	w.mu.Lock()
	w.lost += lost
	w.mu.Unlock()
}

// Lost is the number of lines that could not be written.
func (w *Writer) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outlet == nil {
		return w.lost
	}
	return w.lost + w.outlet.allLost()
}

// Close writes what is left, as far as that is taken, and ends the worker.
func (w *Writer) Close() {
	close(w.stop)
	<-w.done
	w.mu.Lock()
	o := w.outlet
	w.outlet = nil
	w.mu.Unlock()
	w.retire(o)
}

func (w *Writer) run() {
	defer close(w.done)
	wait := pollBusy
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-w.stop:
			w.drain()
			return
		case <-w.wake:
		case <-timer.C:
		}
		switch any, off := w.drain(); {
		case off:
			wait = pollOff
		case any:
			wait = pollBusy
		default:
			wait = min(2*wait, pollIdle)
		}
		if wait == pollIdle {
			timer.Reset(wait - time.Duration(time.Now().UnixNano())%wait)
		} else {
			timer.Reset(wait)
		}
	}
}

// drain hands over what the rings hold; it reports whether there was anything, and whether there is nowhere to write to.
func (w *Writer) drain() (any, off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outlet != nil && time.Since(w.looked) >= lookMost {
		w.looked = time.Now()
		w.outlet.pen.Poke() // it looks whether its file was moved away
	}
	return w.takeAll(), w.outlet == nil
}

// takeAll empties the rings. w.mu is held.
func (w *Writer) takeAll() (any bool) {
	for _, r := range w.rings {
		r.poked.Store(false)
		for {
			record, ok := r.Take(w.record[:0])
			if !ok {
				break
			}
			any = true
			w.record = record
			if w.outlet == nil {
				continue
			}
			w.parsed.parse(record)
			w.buf = w.config.Format(w.buf, &w.parsed)
			if len(w.buf) >= flushAt {
				w.flush()
			}
		}
	}
	w.flush()
	return any
}

// flush hands the buffer over. Lines that find no room are dropped, and that is said now and then.
func (w *Writer) flush() {
	if len(w.buf) == 0 {
		return
	}
	isTaken := w.outlet.pen.Put(w.buf)
	if also, isDue := w.dropping.due(!isTaken); isDue && !isTaken {
		w.config.Log(slog.LevelError, "access log: nothing is taken; serving goes on, lines are dropped until it can be written again%s", also)
	}
	w.buf = w.buf[:0]
}
