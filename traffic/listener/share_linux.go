package listener

import (
	"syscall"
)

// soReusePort is of the system and not in package syscall.
const soReusePort = 15

// shareAddress lets the process that takes over open the address while this one still has it.
func shareAddress(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1) })
	if err == nil {
		err = failed
	}
	return err
}
