//go:build !linux

package peers

import "syscall"

// group gives a program a process group of its own. That it ends with the test is up to the test here.
func group(*syscall.SysProcAttr) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
