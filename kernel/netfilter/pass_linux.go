package netfilter

import (
	"time"

	"golang.org/x/sys/unix"
)

// letPass waits until every packet that has met the rules from before the last transaction is through with them. A processor may be held up in the middle of one, for milliseconds where
// it is a virtual one, and a map that its rule reads must be there until then. The kernel handles a packet within one reader's section of RCU, and membarrier with MEMBARRIER_CMD_GLOBAL waits until
// all that have begun are over.
func letPass() {
	const global = 1
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		time.Sleep(passWithin) // it is filtered, or some processors have no ticks
	}
}

const passWithin = 50 * time.Millisecond
