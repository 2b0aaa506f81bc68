package accesslog

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rotation says when a file is renamed and a new one begun, and what becomes of the old ones. The zero value never rotates.
type Rotation struct {
	Size     int64         // bytes after which a file is full; 0: without limit
	Every    time.Duration // the length of a period, counted from midnight, local time; 0: none
	Keep     int           // how many old files are kept
	Compress bool          // old files are compressed with gzip
	Settle   time.Duration // how long after the last write to them, and between two tries; 0: followMost, and rotateAgain
}

// The time in an old file's name is UTC, so that names sort by age; it is followed by -2, -3 … where a second has more than one.
const (
	rotatedTime = "20060102T150405Z"
	gzipEnd     = ".gz"
	partEnd     = ".part" // a compressed file that is being written
)

// rotateAgain is how long weir waits after a rotation has failed.
const rotateAgain = time.Minute

// measure notes what kind of file was opened, its size, and the period that it belongs to.
func (o *outlet) measure() {
	st, err := o.file.Stat()
	o.isRegular = err == nil && st.Mode().IsRegular()
	if raw, err := o.file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { o.fd = int(fd) })
	}
	o.rotates = o.isRegular && (o.rotation.Size > 0 || o.rotation.Every > 0)
	o.size, o.headSize = 0, 0
	if !o.isRegular {
		return
	}
	o.size, o.period = st.Size(), o.rotation.period(time.Now())
	if o.size > 0 {
		o.period = o.rotation.period(st.ModTime())
	}
}

// period is the number of the period that t is in.
func (r *Rotation) period(t time.Time) int64 {
	if r.Every <= 0 {
		return 0
	}
	_, offset := t.Zone()
	return (t.Unix() + int64(offset)) / int64(max(r.Every/time.Second, 1))
}

// rotate begins a new file before n more bytes are written, where the old one is full or of an earlier period. A file without lines is neither.
func (o *outlet) rotate(n int) {
	if !o.rotates {
		return
	}
	r, now := &o.rotation, time.Now()
	if o.size <= o.headSize {
		o.period = r.period(now)
		return
	}
	isFull := r.Size > 0 && o.size+int64(n) > r.Size
	if !isFull && r.period(now) == o.period || now.Before(o.rotateAfter) {
		return
	}
	if err := o.next(now); err != nil {
		o.rotateAfter = now.Add(rotateAgain)
		if !o.unrotated {
			o.log(slog.LevelError, "access log: cannot be rotated, and goes on as it is: %v", err)
		}
		o.unrotated = true
	} else if o.unrotated {
		o.log(slog.LevelInfo, "access log: is rotated again")
		o.unrotated = false
	}
}

// next begins a new file, or goes on in the one that another writer has begun: the process that is to replace this one, or the outlet that a reload has replaced. Who holds the lock
// of the file renames it; without it, the second of two writers would rename what the first has just begun. The lock ends when the file is closed.
func (o *outlet) next(now time.Time) error {
	err := lock(o.file)
	if o.isMoved() {
		return o.open()
	}
	if errors.Is(err, errLocked) {
		return nil // another writer is about to rename it: this one goes on in it until then
	}
	if err := o.begun(now); err != nil {
		unlock(o.file)
		return err
	}
	return nil
}

// begun renames the file and begins a new one. Where the name is a symbolic link, the file that it leads to is renamed.
func (o *outlet) begun(now time.Time) error {
	name, err := filepath.EvalSymlinks(o.name)
	if err != nil {
		return err
	}
	old, err := rotatedName(name, now)
	if err != nil {
		return err
	}
	if err := os.Rename(name, old); err != nil {
		return err
	}
	if err := o.open(); err != nil {
		os.Rename(old, name) // better one large file than none
		return err
	}
	o.tidyFiles()
	return nil
}

// rotatedName is a name that no old file has, and that is behind all of the same second.
func rotatedName(name string, now time.Time) (string, error) {
	old, err := rotated(name)
	if err != nil {
		return "", err
	}
	at, nth := now.UTC().Format(rotatedTime), 1
	for _, f := range old {
		if f.at == at {
			nth = f.nth + 1
		}
	}
	if nth == 1 {
		return name + "." + at, nil
	}
	return fmt.Sprintf("%s.%s-%d", name, at, nth), nil
}

// oldFile is a file that was rotated.
type oldFile struct {
	name string
	at   string // the time in its name
	nth  int    // of that second
}

// isSame reports whether one of the two is the other, compressed.
func (f *oldFile) isSame(other *oldFile) bool { return f.at == other.at && f.nth == other.nth }

// rotated lists the old files of a log, the oldest first.
func rotated(name string) ([]oldFile, error) {
	old, _, err := listed(name)
	return old, err
}

// listed lists the old files of a log, the oldest first, and those that are being compressed into, or were.
func listed(name string) (old []oldFile, parts []string, err error) {
	dir := filepath.Dir(name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		f := oldFile{name: filepath.Join(dir, e.Name()), nth: 1}
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(name)+".")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		rest, isPart := strings.CutSuffix(rest, gzipEnd+partEnd)
		at, count, isCounted := strings.Cut(strings.TrimSuffix(rest, gzipEnd), "-")
		if f.at = at; isCounted {
			f.nth, _ = strconv.Atoi(count)
		}
		if _, err := time.Parse(rotatedTime, at); err != nil || f.nth <= 0 {
			continue
		}
		if isPart {
			parts = append(parts, f.name)
		} else {
			old = append(old, f)
		}
	}
	slices.SortFunc(old, func(a, b oldFile) int {
		return cmp.Or(strings.Compare(a.at, b.at), a.nth-b.nth, strings.Compare(a.name, b.name))
	})
	return old, parts, nil
}
