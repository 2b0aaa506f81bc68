//go:build !unix

package health

import "os/exec"

func inOwnGroup(*exec.Cmd) {}
