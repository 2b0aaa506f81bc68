package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat. USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// Usage is what a process tree has used so far.
type Usage struct {
	CPU      time.Duration // exact, from the scheduler's own count
	User     time.Duration // by ticks: only good as a share
	System   time.Duration // by ticks
	Resident int64         // bytes, as ps shows them; a page that forked workers share counts for each
	Private  int64         // bytes that no other process shares
}

// Sub returns what was used between an earlier reading and this one.
func (u Usage) Sub(earlier Usage) Usage {
	return Usage{u.CPU - earlier.CPU, u.User - earlier.User, u.System - earlier.System, u.Resident - earlier.Resident, u.Private - earlier.Private}
}

// Usage reads what the process and all its descendants have used. Threads that have ended are not in the CPU time:
// none of the programs here ends threads while it serves.
func (p *Process) Usage() (Usage, error) {
	var total Usage
	for _, pid := range tree(p.Pid()) {
		u, err := usageOf(pid)
		if err != nil {
			return total, fmt.Errorf("%s: %w", p.Name, err)
		}
		total.CPU += u.CPU
		total.User += u.User
		total.System += u.System
		total.Resident += u.Resident
		total.Private += u.Private
	}
	return total, nil
}

// tree returns the process and its descendants.
func tree(pid int) []int {
	pids := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, tree(child)...)
			}
		}
	}
	return pids
}

// usageOf reads one process.
func usageOf(pid int) (Usage, error) {
	var u Usage
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if len(tasks) == 0 {
		return u, fmt.Errorf("process %d is gone, or this kernel keeps no schedstat", pid)
	}
	for _, task := range tasks {
		if line, err := os.ReadFile(task); err == nil {
			u.CPU += time.Duration(number(strings.Fields(string(line)), 0))
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The command's name, in brackets, may hold spaces. After it, proc(5)'s fields 14 and 15 are numbers 11 and 12.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	u.User = time.Duration(number(fields, 11)) * tick
	u.System = time.Duration(number(fields, 12)) * tick
	u.Resident, u.Private, err = memoryOf(pid)
	return u, err
}

// memoryOf returns the resident memory of one process, and the part of it that it shares with nobody.
func memoryOf(pid int) (resident, private int64, err error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(rollup)) {
		switch fields := strings.Fields(line); {
		case strings.HasPrefix(line, "Rss:"):
			resident = number(fields, 1) << 10
		case strings.HasPrefix(line, "Private_"):
			private += number(fields, 1) << 10
		}
	}
	return resident, private, nil
}

// number returns the i-th field as a number, or 0.
func number(fields []string, i int) int64 {
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseInt(fields[i], 10, 64)
	return n
}
