package engine

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noName has statx look at the descriptor itself.
var noName [1]byte

// epoch is from when file systems count.
var epoch = time.Date(1970, time.January, 1, 0, 0, 0, 0, time.UTC)

// HasChanged reports whether an open file is of another size, or was written to at another time. It does not wait: a file system of a network is not asked, but what is known of it here.
func HasChanged(f *os.File, size int64, modified time.Time) bool {
	var now unix.Statx_t
	const flags = unix.AT_EMPTY_PATH | unix.AT_STATX_DONT_SYNC
	if _, _, errno := syscall.RawSyscall6(unix.SYS_STATX, f.Fd(), uintptr(unsafe.Pointer(&noName)), flags, unix.STATX_MTIME|unix.STATX_SIZE, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		return false
	}
	return now.Size != uint64(size) || time.Duration(now.Mtime.Sec)*time.Second+time.Duration(now.Mtime.Nsec) != modified.Sub(epoch)
}
