package files

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noName has statx look at the descriptor itself.
var noName [1]byte

// HasChanged reports whether the open file has been written to since it was found. It does not wait: a file system of a network is not asked, but what is known of it here.
func (f *File) HasChanged() bool {
	if f.handle == nil {
		return false
	}
	var now unix.Statx_t
	const flags = unix.AT_EMPTY_PATH | unix.AT_STATX_DONT_SYNC
	if _, _, errno := syscall.RawSyscall6(unix.SYS_STATX, f.fd, uintptr(unsafe.Pointer(&noName)), flags, unix.STATX_MTIME|unix.STATX_SIZE, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		return false
	}
	return now.Size != uint64(f.Size) || now.Mtime.Sec != f.Modified.Unix() || int(now.Mtime.Nsec) != f.Modified.Nanosecond()
}
