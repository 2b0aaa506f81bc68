package doctor

import (
	"strings"

	"github.com/weir-proxy/weir/kernel/netfilter"
)

// kernel: which parts of nftables it has is known only by trying.
func kernel(j *Job) []Finding {
	if len(j.Captures) == 0 && !j.isTransparent() && !j.Forwards {
		return nil
	}
	missing, err := netfilter.Probe()
	switch {
	case err != nil:
		return []Finding{fail("", "its nftables cannot be tried: %v", err)}
	case len(missing) > 0:
		return []Finding{fail("modprobe "+strings.Join(missing, " ")+", or a kernel that has them", "it lacks %s", strings.Join(missing, ", "))}
	}
	return []Finding{ok("it has all parts of nftables that capture, transparency and forwarding need")}
}
