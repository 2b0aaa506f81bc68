package accesslog

import (
	"log/slog"
	"os"
	"syscall"
	"time"
)

// reopen follows a file that was moved away, as log rotation does. The name is looked for once a second, and at once when the file has no name
// any more: its lines could not be read by anybody.
func (o *outlet) reopen() {
	if o.file == nil {
		return
	}
	wasUnlinked := o.isUnlinked
	if o.isRegular {
		o.look()
	}
	if time.Since(o.looked) < lookMost && (wasUnlinked || !o.isUnlinked) {
		return
	}
	o.looked = time.Now()
	if !o.isMoved() {
		return
	}
	if err := o.open(); err != nil {
		o.cannotReopen(err)
	}
}

// look notes what has become of the regular file: whether it has no name any more, and its size, which other writers change too. A file that was cut (logrotate's copytruncate) begins
// anew, with the head of its format.
func (o *outlet) look() {
	if syscall.Fstat(o.fd, &o.stat) != nil { // os.File.Stat allocates, for each write
		return
	}
	o.isUnlinked = o.stat.Nlink == 0
	if o.stat.Size < o.size {
		o.owed, o.headSize, o.torn = o.head != nil, 0, false
		o.period = o.rotation.period(time.Now())
	}
	o.size = o.stat.Size
}

// cannotReopen logs that the file could not be opened anew: once, and once more when its lines begin to be lost.
func (o *outlet) cannotReopen(err error) {
	if o.isMissing && !o.isUnlinked {
		return
	}
	level, effect := slog.LevelWarn, "lines go on into the file that was moved away"
	if o.isUnlinked {
		if o.failed.fails {
			return
		}
		o.failed.said()
		level, effect = slog.LevelError, "the file that was open is deleted, and lines are lost until it can be opened"
	}
	o.isMissing = true
	o.log(level, "access log: cannot be opened anew: %v; serving goes on, %s", err, effect)
}

// isMoved reports whether another file, or none, has the name.
func (o *outlet) isMoved() bool {
	mine, err := o.file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(o.name)
	return err != nil || !os.SameFile(mine, now)
}

// open goes on in the file that has the name now, which is made where there is none.
func (o *outlet) open() error {
	f, err := open(o.name)
	if err != nil {
		return err
	}
	o.file.Close()
	o.file, o.out, o.torn = f, f, false
	o.measure()
	if o.isMissing && !o.failed.fails {
		o.log(slog.LevelInfo, "access log: is opened anew")
	}
	o.isMissing, o.isUnlinked = false, false
	o.owed = o.head != nil
	return nil
}
