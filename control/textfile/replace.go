package textfile

import (
	"errors"
	"os"
)

// Replace has a file hold the text. Whoever reads it meanwhile, or after a crash, finds the old text or the new one: it is written beside, as name.next, and renamed. On an error the old file is still there.
func Replace(name string, text []byte, mode os.FileMode) error {
	next := name + ".next"
	os.Remove(next) // of a process that was killed
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, name)
	}
	if err != nil {
		os.Remove(next)
	}
	return err
}
