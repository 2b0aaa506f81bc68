package steady

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What an idle weir may use.
const (
	idleFor     = 3 * time.Second
	idleTimes   = 5     // of which the second least counts: a machine that is shared charges what it does for others to whoever runs just then
	idleMost    = 15    // times, while that is too much: such moments may last, and weir does in each second what it does in every other
	idleCPU     = 0.001 // of one processor
	idleTurns   = 60    // switches to its threads in a second, which no other program adds to: 30 are usual
	residentMax = 25 << 20
)

func TestAnIdleWeirUsesNothing(t *testing.T) {
	// With everything that is on by default: admin address and access log.
	weir, address, _ := start(t, "")
	usage := func() (cpu time.Duration, resident int64) {
		u, err := weir.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return u.CPU, u.Resident
	}
	idle := func(when string) {
		time.Sleep(3 * time.Second) // what was begun ends: the log of a load is written up to a second later, on a busy machine later still
		var shares []float64
		before, resident := usage()
		turned := switches(t, weir.Pid())
		share := 1.0
		for len(shares) < idleTimes || share > idleCPU && len(shares) < idleMost {
			time.Sleep(idleFor)
			after, _ := usage()
			shares = append(shares, float64(after-before)/float64(idleFor))
			before = after
			slices.Sort(shares)
			share = shares[min(1, len(shares)-1)]
		}
		turns := float64(switches(t, weir.Pid())-turned) / (float64(len(shares)) * idleFor.Seconds())
		t.Logf("%s: %.4f %% of a processor (%.4f to %.4f), %.1f switches a second, %.1f MiB resident", when, 100*share, 100*shares[0], 100*shares[len(shares)-1], turns, float64(resident)/(1<<20))
		if turns > idleTurns {
			t.Errorf("%s: %.0f switches a second, want at most %d", when, turns, idleTurns)
		}
		if share > idleCPU {
			t.Errorf("%s: %.3f %% of a processor, want less than %.1f %%", when, 100*share, 100*idleCPU)
		}
	}
	idle("after the start")
	_, resident := usage()
	if resident >= residentMax {
		t.Errorf("after the start: %.1f MiB resident, want less than 25", float64(resident)/(1<<20))
	}
	c := newClient(t, connections, dial(address))
	if err := c.ask(asked); err != nil {
		t.Fatal(err)
	}
	idle("after a load, with its connections open")
	// What a load leaves is buffers, coroutines and connections, all of which are kept for the next.
	if _, resident := usage(); resident >= 2*residentMax {
		t.Errorf("after a load: %.1f MiB resident, want less than 50", float64(resident)/(1<<20))
	}
}

// switches is how often threads of a process have been switched to.
func switches(t *testing.T, pid int) (n int) {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, file := range list {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, line := range strings.Split(string(text), "\n") {
			if name, count, _ := strings.Cut(line, ":"); strings.HasSuffix(name, "voluntary_ctxt_switches") {
				k, err := strconv.Atoi(strings.TrimSpace(count))
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		}
	}
	return n
}
