package peers

import "syscall"

// group gives a program a process group of its own, which the system ends with the thread that has started it. What else attr says stays.
func group(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Setpgid, attr.Pdeathsig = true, syscall.SIGTERM
	return attr
}
