package confine

import (
	"errors"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Refuses reports whether Landlock keeps this process from making files in a directory, or in the nearest one above it that there is. It makes a file without a name to find out, and
// tells a refusal of Landlock from one of the file system's modes.
func Refuses(directory string) bool {
	for {
		fd, err := unix.Open(directory, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		switch {
		case err == nil:
			unix.Close(fd)
			return false
		case errors.Is(err, syscall.ENOENT) && directory != filepath.Dir(directory):
			directory = filepath.Dir(directory)
		default:
			return errors.Is(err, syscall.EACCES) && unix.Access(directory, unix.W_OK|unix.X_OK) == nil
		}
	}
}
