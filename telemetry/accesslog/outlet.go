package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/telemetry/pen"
)

// outlet is where lines go. Its pen's goroutine does all that may hang, and owns what is not said otherwise.
type outlet struct {
	pen    *pen.Pen
	name   string                           // immutable
	head   func(now time.Time) string       // immutable; may be nil
	log    func(format string, args ...any) // immutable
	out    io.Writer
	file   *os.File      // nil for standard output and error
	looked time.Time     // when the file was last looked for under its name
	failed bool          // the last write did
	torn   bool          // the file ends within a line
	lost   atomic.Uint64 // lines that could not be written
}

const (
	openMost  = 3 * time.Second // opening a file
	writeMost = 2 * time.Second // a write to a pipe that nobody reads
	pieceMost = 64 << 10        // bytes of a write
)

var errOpening = errors.New("its file system does not answer")

// openOutlet opens the outlet of a configuration; nil for one that writes nothing.
func openOutlet(c *WriterConfig) (*outlet, error) {
	o := &outlet{name: c.File, head: c.Head, log: c.Log}
	switch c.File {
	case "", "off":
		return nil, nil
	case "stdout":
		o.out = os.Stdout
	case "stderr":
		o.out = os.Stderr
	default:
		f, err := openWithin(c.File, openMost)
		if err != nil {
			return nil, err
		}
		o.out, o.file = f, f
	}
	o.pen = pen.New(o.write, o.end)
	o.pen.Put(o.begin())
	return o, nil
}

// openWithin is open, which may hang where a file is on a network.
func openWithin(name string, d time.Duration) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	done, left := make(chan opened), make(chan struct{})
	defer close(left)
	go func() {
		f, err := open(name)
		select {
		case done <- opened{f, err}:
		case <-left:
			if f != nil {
				f.Close()
			}
		}
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.file, o.err
	case <-timer.C:
		return nil, fmt.Errorf("%s: %w", name, errOpening)
	}
}

// open opens a file to be written at its end. A named pipe is opened for reading too, so that it opens, and is not lost, while nobody else reads it; writes to it have a deadline.
func open(name string) (*os.File, error) {
	if st, err := os.Stat(name); err == nil && st.Mode()&os.ModeNamedPipe != 0 {
		if f, err := os.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
			return f, nil
		}
		return os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// begin is the format's head.
func (o *outlet) begin() []byte {
	if o.head == nil {
		return nil
	}
	return []byte(o.head(time.Now()))
}

// write is what the pen calls.
func (o *outlet) write(lines []byte) {
	o.reopen()
	for len(lines) > 0 {
		n := len(lines)
		if n > pieceMost {
			n = bytes.LastIndexByte(lines[:pieceMost], '\n') + 1
			if n == 0 {
				n = pieceMost
			}
		}
		o.writePiece(lines[:n])
		lines = lines[n:]
	}
}

// writePiece writes lines. A full disk loses lines and says so, and ends nothing.
func (o *outlet) writePiece(lines []byte) {
	if o.file != nil {
		o.file.SetWriteDeadline(time.Now().Add(writeMost)) // of a pipe; other files have none
	}
	o.endTorn()
	n, err := o.out.Write(lines)
	if err != nil {
		o.torn = n > 0 && lines[n-1] != '\n' || n == 0 && o.torn
		o.lost.Add(uint64(bytes.Count(lines[n:], []byte{'\n'})))
		if !o.failed {
			o.log("access log: %v; serving goes on, lines are lost until it can be written again", err)
		}
	} else if o.failed {
		o.log("access log: can be written again; %d lines were lost", o.lost.Load())
	}
	o.failed = err != nil
}

// endTorn ends a line of which a full disk took only a part, or the next one would be lost with it.
func (o *outlet) endTorn() {
	if !o.torn {
		return
	}
	if _, err := o.out.Write([]byte{'\n'}); err == nil {
		o.torn = false
	}
}

// reopen follows a file that was moved away, as log rotation does.
func (o *outlet) reopen() {
	if o.file == nil || time.Since(o.looked) < lookMost {
		return
	}
	o.looked = time.Now()
	mine, err := o.file.Stat()
	if err != nil {
		return
	}
	if now, err := os.Stat(o.name); err == nil && os.SameFile(mine, now) {
		return
	}
	f, err := open(o.name)
	if err != nil {
		return // the old one still takes lines
	}
	o.file.Close()
	o.file, o.out, o.torn = f, f, false
	if head := o.begin(); len(head) > 0 {
		o.writePiece(head)
	}
}

// end closes the file.
func (o *outlet) end() {
	if o.file != nil {
		o.file.Close()
	}
}

// allLost is the number of lines that could not be written, or found no room. Any goroutine.
func (o *outlet) allLost() uint64 { return o.lost.Load() + o.pen.Lost() }

// closeMost is how long lines may take that wait when an outlet is closed. One that is stuck already is not waited for.
const closeMost = time.Second

// close writes what waits and closes the file; it returns how many lines were lost. A file that hangs is closed by the pen's goroutine when it goes on. Any goroutine.
func (o *outlet) close() uint64 {
	if o.pen.IsStuck() {
		o.pen.Close(0)
	} else {
		o.pen.Close(closeMost)
	}
	return o.allLost()
}
