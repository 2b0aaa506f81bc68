package doctor

import (
	"slices"
	"strings"

	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// runningWeir: what a weir that runs with the configuration has told the kernel is still there. weir itself looks every few seconds and puts it back; what is missing again and
// again is removed by another program.
func runningWeir(j *Job) (list []Finding) {
	if !j.Routes && len(j.Tables) == 0 {
		return nil
	}
	pids, err := netfilter.RunningWith(j.Config)
	if err != nil {
		return nil // without the power to look; see privileges
	}
	const repair = "weir reload, which puts it back; and find out which other program removes it"
	const enough = 3
	if missing := (routing.Local{Mark: j.Mark, Table: j.Table}).Missing(); j.Routes && len(pids) > 0 && len(missing) > 0 {
		list = append(list, fail("weir reload, or: "+strings.Join(missing, " && "), "weir runs (process %d), and somebody has removed rules or routes that bring replies back into it", pids[0]))
	}
	for _, e := range j.Tables {
		if len(pids) == 0 && (e.Kept == "" || !isKept(e.Kept)) {
			continue // weir does not run, and has left nothing: before its first start, or after the machine's
		}
		missing, err := inspect(e, pids)
		switch {
		case err != nil:
			list = append(list, doubt("", "the kernel's tables cannot be read: %v", err))
		case len(missing) == 0:
		case len(pids) == 0:
			list = append(list, doubt("start weir", "weir does not run, and the kernel does not have what it keeps for weir: %s", first(missing, enough)))
		default:
			list = append(list, fail(repair, "weir runs (process %d), and somebody has removed from the kernel: %s", pids[0], first(missing, enough)))
		}
	}
	if len(list) == 0 && len(pids) > 0 {
		list = append(list, ok("process %d has in the kernel all that it has told it", pids[0]))
	}
	return list
}

// isKept reports whether a process has left tables under the name.
func isKept(name string) bool {
	kept, err := netfilter.ListKept()
	return err != nil || slices.ContainsFunc(kept, func(k netfilter.Kept) bool { return k.Kept == name })
}

// inspect looks for a table among those of all processes that run with the configuration: one may be about to take over from another.
func inspect(e netfilter.Expected, pids []int) (missing []string, err error) {
	if e.Kept != "" {
		return netfilter.Inspect(e)
	}
	for i, pid := range pids {
		e.PID = pid
		of, err := netfilter.Inspect(e)
		if err != nil {
			return nil, err
		}
		if i == 0 || len(of) < len(missing) {
			missing = of
		}
	}
	return missing, nil
}

func first(list []string, n int) string {
	if len(list) > n {
		return strings.Join(list[:n], ", ") + " and more"
	}
	return strings.Join(list, ", ")
}
