package accesslog

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// followMost is how long a file may still be written to after it was renamed: another process, which this one replaces, looks for the name once a second.
const followMost = 5 * time.Second

const (
	compressPiece = 256 << 10
	compressRest  = 3 // how often the time of a piece is rested after it: a quarter of one processor
)

var (
	errClosed = errors.New("closed") // the outlet was: who opens the file next goes on
	errBusy   = errors.New("another process compresses it")
)

// tidyFiles has a goroutine compress and remove old files, of which an outlet has one at most. One that is at work looks again.
func (o *outlet) tidyFiles() {
	select {
	case o.untidy <- struct{}{}:
	default: // it is to look again already
	}
	if o.tidying.CompareAndSwap(false, true) {
		go o.tidy()
	}
}

// tidy is what the goroutine does.
func (o *outlet) tidy() {
	for {
		o.tidyUntilDone()
		o.tidying.Store(false)
		if o.isClosed() || len(o.untidy) == 0 || !o.tidying.CompareAndSwap(false, true) {
			return
		}
	}
}

// tidyUntilDone returns when no old file is left to be removed or compressed, or the outlet is closed. What fails is logged now and then and tried again.
func (o *outlet) tidyUntilDone() {
	for !o.isClosed() {
		select {
		case <-o.untidy:
		default:
		}
		wait, err := o.tidyOnce()
		if err != nil && !errors.Is(err, errClosed) {
			wait = o.rotation.again()
		}
		if also, isDue := o.untidied.due(err != nil && !errors.Is(err, errClosed)); isDue && err != nil {
			o.log(slog.LevelError, "access log: old files: %v; it is tried again every %v%s", err, wait, also)
		}
		if wait == 0 {
			return
		}
		o.waits.Add(1)
		timer := time.NewTimer(wait)
		select {
		case <-o.untidy:
		case <-timer.C:
		case <-o.closed:
		}
		timer.Stop()
	}
}

// tidyOnce removes what is not to be kept and compresses one file. wait is after how long there is more to do; 0: never. A file that cannot be dealt with does not stop the others.
func (o *outlet) tidyOnce() (wait time.Duration, err error) {
	kept, err := o.removeOld()
	problems := []error{err}
	for _, f := range kept {
		if !o.rotation.Compress || strings.HasSuffix(f.name, gzipEnd) {
			continue
		}
		left, err := o.untilSettled(f.name)
		if err == nil && left <= 0 {
			if err = o.compress(f.name); err == nil {
				return time.Nanosecond, errors.Join(problems...)
			}
			left = o.rotation.settle()
		}
		if err != nil && !errors.Is(err, errBusy) && !os.IsNotExist(err) {
			problems = append(problems, err)
		} else if wait == 0 || left < wait {
			wait = left
		}
	}
	return wait, errors.Join(problems...)
}

// untilSettled is after how long a file may be compressed.
func (o *outlet) untilSettled(file string) (time.Duration, error) {
	st, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return time.Until(st.ModTime().Add(o.rotation.settle())), nil
}

// removeOld removes the old files that are not to be kept, and what was left behind of compressing. It returns those that stay, the oldest first. Files with other names are left alone.
func (o *outlet) removeOld() (kept []oldFile, err error) {
	name, err := filepath.EvalSymlinks(o.name)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	old, parts, err := listed(name)
	if err != nil {
		return nil, err
	}
	from, count := len(old), 0
	for from > 0 && (count < o.rotation.Keep || count > 0 && old[from-1].isSame(&old[from])) {
		if from == len(old) || !old[from-1].isSame(&old[from]) { // a file and what it was compressed into count as one
			count++
		}
		from--
	}
	var problems []error
	for _, f := range old[:from] {
		if err := os.Remove(f.name); err != nil && !os.IsNotExist(err) {
			problems = append(problems, err)
		}
	}
	kept = old[from:]
	isNeeded := map[string]bool{}
	for _, f := range kept {
		isNeeded[f.name+gzipEnd+partEnd] = o.rotation.Compress
	}
	for _, part := range parts {
		if !isNeeded[part] {
			problems = append(problems, removePart(part))
		}
	}
	return kept, errors.Join(problems...)
}

// removePart removes a half-written file, unless its writer is alive.
func removePart(part string) error {
	f, err := os.Open(part)
	if err == nil {
		defer f.Close()
		if lock(f) != nil {
			return nil
		}
		err = os.Remove(part)
	}
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// compress replaces a file by a compressed one. Who writes that has its lock, so that one left behind by a process that is gone can be told from one of a process that is at work.
func (o *outlet) compress(file string) error {
	from, err := os.Open(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	part := file + gzipEnd + partEnd
	to, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	defer to.Close()
	if lock(to) != nil || !hasName(to, part) { // it was renamed by its writer between being opened and locked
		return errBusy
	}
	err = to.Truncate(0)
	if err == nil {
		err = o.compressInto(to, from)
	}
	if err == nil {
		err = to.Sync() // the file is removed next
	}
	if err == nil {
		err = os.Rename(part, file+gzipEnd)
	}
	if err != nil {
		os.Remove(part)
		return err
	}
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// hasName reports whether the open file is the one of that name.
func hasName(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(name)
	return err == nil && os.SameFile(mine, now)
}

// compressInto rests between pieces. Meanwhile it removes old files: a large file takes minutes, and more may be rotated.
func (o *outlet) compressInto(to io.Writer, from io.Reader) error {
	z := gzip.NewWriter(to)
	for {
		began := time.Now()
		n, err := io.CopyN(z, from, compressPiece)
		if err == io.EOF {
			return z.Close()
		}
		if err != nil {
			return err
		}
		if n < compressPiece {
			continue
		}
		select {
		case <-o.closed:
			return errClosed
		case <-o.untidy:
			if _, err := o.removeOld(); err != nil {
				return err
			}
		case <-time.After(compressRest * time.Since(began)):
		}
	}
}

// settle is how long a file is left alone before it is compressed.
func (r *Rotation) settle() time.Duration {
	if r.Settle != 0 {
		return r.Settle
	}
	return followMost
}

// again is how long weir waits after it has failed to tidy old files.
func (r *Rotation) again() time.Duration {
	if r.Settle != 0 {
		return r.Settle
	}
	return rotateAgain
}

func (o *outlet) isClosed() bool {
	select {
	case <-o.closed:
		return true
	default:
		return false
	}
}
