package peers

import "syscall"

// group is a process group of the program's own, which the system ends with the thread that has started it.
func group() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
