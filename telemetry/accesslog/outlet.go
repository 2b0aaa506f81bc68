package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/telemetry/pen"
)

// outlet is where lines go. Its pen's goroutine does all that may hang, and owns what is not said otherwise.
type outlet struct {
	pen    *pen.Pen
	name   string                                             // immutable
	head   func(now time.Time) string                         // immutable; may be nil
	log    func(level slog.Level, format string, args ...any) // immutable
	out    io.Writer
	file   *os.File      // nil for standard output and error
	looked time.Time     // when the file was last looked for under its name
	failed notice        // the last write did
	torn   bool          // the file ends within a line
	owed   bool          // the head is to be written before the next line
	lost   atomic.Uint64 // lines that could not be written

	fd         int            // of file
	stat       syscall.Stat_t // what the system said of it last
	isRegular  bool           // the file is a regular one
	size       int64          // bytes in a regular file, as far as it is known
	headSize   int64          // bytes of the head that the file begins with; 0 if there is none, or it was there before
	isMissing  bool           // the file was moved away, and could not be opened anew
	isUnlinked bool           // the file has no name any more: what is written to it is gone

	rotation    Rotation  // immutable
	rotates     bool      // the file is one that can be rotated, and is to be
	period      int64     // of Rotation.Every, that the file belongs to
	rotateAfter time.Time // not before, as it has failed
	unrotated   bool      // the last rotation failed

	tidying atomic.Bool   // a goroutine compresses and removes old files
	untidy  chan struct{} // there may be more for it to do; room for one
	closed  chan struct{} // is closed with the outlet
	waits   atomic.Uint32 // how often it has waited for more to do

	untidied notice // it failed; the goroutine's
}

const (
	openMost  = 3 * time.Second // opening a file
	writeMost = 2 * time.Second // a write to a pipe that nobody reads
	pieceMost = 64 << 10        // bytes of a write
)

var errOpening = errors.New("its file system does not answer")

// openOutlet opens the outlet of a configuration; nil for one that writes nothing.
func openOutlet(c *WriterConfig) (*outlet, error) {
	o := &outlet{name: c.File, head: c.Head, log: c.Log, rotation: c.Rotation, untidy: make(chan struct{}, 1), closed: make(chan struct{})}
	switch c.File {
	case "", "off":
		return nil, nil
	case "stdout":
		o.out = os.Stdout
	case "stderr":
		o.out = os.Stderr
	default:
		f, err := within(c.File, openMost, open)
		if err != nil {
			return nil, err
		}
		o.out, o.file = f, f
		if o.measure(); o.rotates {
			o.tidyFiles() // what the process before has left
		}
	}
	o.owed = o.head != nil
	o.pen = pen.New(o.write, o.end)
	o.pen.Poke()
	return o, nil
}

// within opens a file, which may hang where it is on a network.
func within(name string, d time.Duration, open func(name string) (*os.File, error)) (*os.File, error) {
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

// write is what the pen calls, also without lines.
func (o *outlet) write(lines []byte) {
	o.reopen()
	if o.isUnlinked {
		o.lose(lines)
		return
	}
	o.writeHead()
	for len(lines) > 0 {
		o.rotate(o.fitting(lines))
		isBegun := o.writeHead()
		n := o.fitting(lines) // a file that has just begun has more room
		if isBegun {
			o.lose(lines[o.writePiece(lines[:n], false):n])
		} else {
			o.lose(lines[:n])
		}
		lines = lines[n:]
	}
}

// lose counts lines that are not written.
func (o *outlet) lose(lines []byte) { o.lost.Add(uint64(bytes.Count(lines, []byte{'\n'}))) }

// fitting is the length of the lines that go into one write, and into the file before it is full; that of the first line if none does.
func (o *outlet) fitting(lines []byte) int {
	most := pieceMost
	if o.rotates && o.rotation.Size > 0 {
		most = int(min(pieceMost, max(o.rotation.Size-o.size, 0)))
	}
	if len(lines) <= most {
		return len(lines)
	}
	if n := bytes.LastIndexByte(lines[:most], '\n') + 1; n > 0 {
		return n
	}
	if n := bytes.IndexByte(lines[:min(len(lines), pieceMost)], '\n') + 1; n > 0 {
		return n
	}
	return min(len(lines), pieceMost)
}

// writeHead writes the head if it is owed, as the whole: where there is no room for it, lines are lost, which nobody could read without it. It reports whether lines may follow.
func (o *outlet) writeHead() bool {
	if !o.owed {
		return true
	}
	head, isFirst := []byte(o.head(time.Now())), o.size == 0
	if o.writePiece(head, true) < len(head) {
		return false
	}
	o.owed = false
	if isFirst {
		o.headSize = int64(len(head))
	}
	return true
}

// writePiece writes lines, and returns how many bytes of them are in the file. When the disk is full it removes the part of a line that had room, or of all lines where only all
// together are of use, and logs that now and then; nothing ends.
func (o *outlet) writePiece(lines []byte, onlyTogether bool) (written int) {
	if o.file != nil {
		o.file.SetWriteDeadline(time.Now().Add(writeMost)) // of a pipe; other files have none
	}
	o.endTorn()
	n, err := o.out.Write(lines)
	o.size += int64(n)
	if err != nil {
		useful := bytes.LastIndexByte(lines[:n], '\n') + 1
		if onlyTogether {
			useful = 0
		}
		isCut := n > useful && o.cutOff(n-useful)
		o.torn = n > useful && !isCut || n == 0 && o.torn
		if isCut {
			n = useful
		}
	}
	switch also, isDue := o.failed.due(err != nil); {
	case !isDue:
	case err != nil:
		o.log(slog.LevelError, "access log: %v; serving goes on, lines are lost until it can be written again%s", err, also)
	default:
		o.log(slog.LevelInfo, "access log: can be written again; %d lines were lost%s", o.lost.Load(), also)
	}
	return n
}

// cutOff removes the last n bytes, the part of a line that a full disk took. It does so only in a regular file in which nothing follows them:
// a process that takes over from this one writes to the same file. It reports whether they are removed.
func (o *outlet) cutOff(n int) bool {
	if !o.isRegular {
		return false
	}
	end, err := o.file.Seek(0, io.SeekCurrent) // after a write to an O_APPEND file: behind what was written
	st, statErr := o.file.Stat()
	if err != nil || statErr != nil || st.Size() != end || o.file.Truncate(end-int64(n)) != nil {
		return false
	}
	o.size -= int64(n)
	return true
}

// endTorn ends a line of which only a part was written and could not be removed, or the next line would be lost with it.
func (o *outlet) endTorn() {
	if !o.torn {
		return
	}
	if _, err := o.out.Write([]byte{'\n'}); err == nil {
		o.torn = false
	}
}

// end closes the file.
func (o *outlet) end() {
	close(o.closed)
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
