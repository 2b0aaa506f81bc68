package peers

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// InOwnNetwork runs f in a network namespace of its own, and waits for it. f runs on another goroutine, so it must not call t.Fatal. It needs root.
func InOwnNetwork(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("needs root: sudo make test")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}
