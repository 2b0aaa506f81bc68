package accesslog

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// WriterConfig says where lines go.
type WriterConfig struct {
	File   string // a path, "stdout" or "stderr"; "" writes nothing
	Format Format
	Head   func(now time.Time) string       // what a file begins with, or goes on with after weir has opened it; may be nil
	Log    func(format string, args ...any) // told when writing fails and when it works again
}

// Writer is the worker that empties the rings.
type Writer struct {
	rings  []*Ring
	mu     sync.Mutex // guards config, out and file
	config WriterConfig
	out    io.Writer
	file   *os.File
	buf    []byte
	record []byte
	parsed Record    // here and not on the stack: a Format is a value, and what is given to it would be allocated
	looked time.Time // when the file was last looked at
	failed bool
	torn   bool          // the file ends within a line
	lost   uint64        // lines that could not be written; guarded by mu
	wake   chan struct{} // Configure has changed something, or a ring fills
	stop   chan struct{}
	done   chan struct{}
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

// Configure changes where lines go, from the next record on. A file that cannot be opened is an error, and the old one stays.
func (w *Writer) Configure(c WriterConfig) error {
	var out io.Writer
	var file *os.File
	switch c.File {
	case "", "off":
	case "stdout":
		out = os.Stdout
	case "stderr":
		out = os.Stderr
	default:
		f, err := open(c.File)
		if err != nil {
			return fmt.Errorf("access log: %w", err)
		}
		out, file = f, f
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeAll() // what has ended until now belongs to where lines went until now
	if w.file != nil {
		w.file.Close()
	}
	w.config, w.out, w.file, w.failed, w.torn = c, out, file, false, false
	w.begin()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// begin writes the format's head.
func (w *Writer) begin() {
	if w.config.Head != nil && w.out != nil {
		w.buf = append(w.buf, w.config.Head(time.Now())...)
	}
}

func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// Lost is the number of lines that could not be written.
func (w *Writer) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Close writes what is left and ends the worker.
func (w *Writer) Close() {
	close(w.stop)
	<-w.done
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

// drain writes what the rings hold; it reports whether there was anything, and whether there is nowhere to write to.
func (w *Writer) drain() (any, off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reopen()
	return w.takeAll(), w.out == nil
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
			if w.out == nil {
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

// flush writes the buffer. A full disk loses lines and says so, and ends nothing.
func (w *Writer) flush() {
	if len(w.buf) == 0 {
		return
	}
	w.endTorn()
	n, err := w.out.Write(w.buf)
	if err != nil {
		w.torn = n > 0 && w.buf[n-1] != '\n' || n == 0 && w.torn
		for _, c := range w.buf[n:] {
			if c == '\n' {
				w.lost++
			}
		}
		if !w.failed {
			w.config.Log("access log: %v; serving goes on, lines are lost until it can be written again", err)
		}
	} else if w.failed {
		w.config.Log("access log: can be written again; %d lines were lost", w.lost)
	}
	w.failed = err != nil
	w.buf = w.buf[:0]
}

// endTorn ends a line of which a full disk took only a part, or the next one would be lost with it.
func (w *Writer) endTorn() {
	if !w.torn {
		return
	}
	if _, err := w.out.Write([]byte{'\n'}); err == nil {
		w.torn = false
	}
}

// reopen follows a file that was moved away, as log rotation does.
func (w *Writer) reopen() {
	if w.file == nil || time.Since(w.looked) < lookMost {
		return
	}
	w.looked = time.Now()
	mine, err := w.file.Stat()
	if err != nil {
		return
	}
	if now, err := os.Stat(w.config.File); err == nil && os.SameFile(mine, now) {
		return
	}
	f, err := open(w.config.File)
	if err != nil {
		return // the old one still takes lines
	}
	w.file.Close()
	w.file, w.out, w.torn = f, f, false
	w.begin()
}
