//go:build !linux

package engine

import (
	"os"
	"time"
)

// HasChanged reports whether an open file is of another size, or was written to at another time.
func HasChanged(f *os.File, size int64, modified time.Time) bool {
	now, err := f.Stat()
	return err == nil && (now.Size() != size || !now.ModTime().Equal(modified))
}
