//go:build unix

package health

import (
	"os/exec"
	"syscall"
)

// inOwnGroup makes the program's end take along what it started.
func inOwnGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
