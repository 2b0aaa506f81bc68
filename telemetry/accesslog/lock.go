package accesslog

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that another writer holds the lock of a file.
var errLocked = errors.New("locked by another writer")

// lock takes the lock of a file, which ends when it is closed, and does not wait for it. Where the file system has no locks it does nothing: then two writers may rename in turn.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return nil
}

func unlock(f *os.File) { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
