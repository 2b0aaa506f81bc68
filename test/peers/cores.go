package peers

import (
	"os/exec"
	"runtime"
)

// Cores is the number of cores, workers, threads or loops that each program gets.
const Cores = 2

// onTwoCores confines the command to two cores where the machine has more, so that a program which starts a worker
// per core starts as many as the others.
func onTwoCores(cmd *exec.Cmd) *exec.Cmd {
	if runtime.NumCPU() <= Cores {
		return cmd
	}
	taskset, err := Find("taskset")
	if err != nil {
		return cmd
	}
	return exec.Command(taskset, append([]string{"-c", "0,1"}, cmd.Args...)...)
}
