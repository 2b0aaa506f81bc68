//go:build !linux

package peers

import "syscall"

// group is a process group of the program's own. That it ends with the test is up to the test here.
func group() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
