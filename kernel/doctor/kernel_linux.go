package doctor

import (
	"slices"
	"strings"

	"github.com/weir-proxy/weir/kernel/netfilter"
)

// kernel: which parts of nftables it has is known only by trying.
func kernel(j *Job) []Finding {
	if len(j.Captures) == 0 && !j.isTransparent() && !j.Forwards {
		return nil
	}
	isDirect := slices.ContainsFunc(j.Pools, func(p Pool) bool { return p.Direct != "" })
	missing, err := netfilter.Probe(isDirect)
	switch {
	case err != nil:
		return []Finding{fail("", "its nftables cannot be tried: %v", err)}
	case len(missing) == 1 && missing[0] == netfilter.ResetOfDirect:
		return []Finding{doubt("modprobe "+netfilter.ResetOfDirect+", or a kernel that has it", "it lacks %s: clients that allow or deny refuse at a pool of mode: direct wait for an answer, and get no reset", netfilter.ResetOfDirect)}
	case len(missing) > 0:
		return []Finding{fail("modprobe "+strings.Join(missing, " ")+", or a kernel that has them", "it lacks %s", strings.Join(missing, ", "))}
	}
	return []Finding{ok("it has all parts of nftables that capture, transparency and forwarding need")}
}
