package doctor

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// privileges: what this process may do; weir as another user may do less.
func privileges(j *Job) (list []Finding) {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return []Finding{doubt("", "cannot be asked for: %v", err)}
	}
	has := func(bit uint) bool { return data[0].Effective&(1<<bit) != 0 }
	if j.LowPorts {
		list = append(list, either(has(unix.CAP_NET_BIND_SERVICE) || lowPortsAreFree(), "ports below 1024 can be opened",
			"run weir as root (--user gives the rest away), or: setcap cap_net_bind_service+ep $(which weir)", "ports below 1024 cannot be opened"))
	}
	if j.isTransparent() || len(j.Captures) > 0 || j.Forwards {
		list = append(list, either(has(unix.CAP_NET_ADMIN), "the network can be set up, and clients' addresses used (CAP_NET_ADMIN)",
			"run weir as root (--user keeps what it needs), or: setcap cap_net_admin,cap_net_bind_service+ep $(which weir)",
			"CAP_NET_ADMIN is missing: no capture, and no client's address for servers"))
	}
	return list
}

func either(good bool, says, repair, otherwise string) Finding {
	if good {
		return ok("%s", says)
	}
	return fail(repair, "%s", otherwise)
}

func lowPortsAreFree() bool {
	return number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024) <= 80
}

// descriptorsLeast is enough for 30,000 exchanges under way.
const descriptorsLeast = 65_536

func descriptors(*Job) []Finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return []Finding{doubt("", "cannot be asked for: %v", err)}
	}
	if limit.Max < descriptorsLeast {
		return []Finding{doubt("LimitNOFILE=1048576 in the unit, or: ulimit -Hn 1048576", "%d at most: some %d clients at a time", limit.Max, limit.Max/2)}
	}
	return []Finding{ok("%d at most", limit.Max)}
}

// forwarding: what is captured inline passes through this machine, and so do the replies to clients whose address servers see.
func forwarding(j *Job) (list []Finding) {
	if len(j.Captures) == 0 && !j.isTransparent() && len(j.Rewritten) == 0 {
		return nil
	}
	for family, key := range map[string]string{"IPv4": "net.ipv4.ip_forward", "IPv6": "net.ipv6.conf.all.forwarding"} {
		value := number(sysctl(key), -1)
		switch {
		case value < 0:
		case !slices.Contains(j.Captured, family) && !slices.Contains(j.Rewritten, family) && !j.shows(family == "IPv4"): // nothing of the family is to pass
		case value > 0:
			list = append(list, ok("%s packets are forwarded", family))
		case slices.Contains(j.Rewritten, family):
			list = append(list, fail("sysctl -w "+key+"=1", "%s packets are not forwarded: the kernel carries nothing to the servers", family))
		case slices.Contains(j.Captured, family):
			list = append(list, fail("sysctl -w "+key+"=1", "%s packets are not forwarded: what is not captured goes nowhere", family))
		default:
			list = append(list, doubt("sysctl -w "+key+"=1", "%s packets are not forwarded: servers whose gateway is this machine reach nobody else by it", family))
		}
	}
	slices.SortFunc(list, func(a, b Finding) int { return strings.Compare(a.Says, b.Says) })
	return list
}

// reversePath: a strict filter drops packets that come in by another interface than the way to their source leaves by, silently.
func reversePath(j *Job) (list []Finding) {
	if !slices.Contains(j.Captured, "IPv4") && !j.isTransparent() { // IPv6 has no such filter
		return nil
	}
	all := number("/proc/sys/net/ipv4/conf/all/rp_filter", 0)
	for _, device := range devices() {
		if max(all, number("/proc/sys/net/ipv4/conf/"+device+"/rp_filter", 0)) == 1 {
			list = append(list, doubt(fmt.Sprintf("sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.%s.rp_filter=2", device),
				"%s is strict: packets are dropped when the way back to their source leaves by another interface", device))
		}
	}
	if len(list) == 0 {
		list = append(list, ok("no interface is strict"))
	}
	return list
}

func conntrack(j *Job) []Finding {
	used, most := number("/proc/sys/net/netfilter/nf_conntrack_count", -1), number("/proc/sys/net/netfilter/nf_conntrack_max", -1)
	switch {
	case most <= 0 || used < 0:
		return nil
	case used > most*8/10:
		return []Finding{fail(fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", most*4), "%d of %d entries are used: new connections are about to be dropped", used, most)}
	case most < 65_536 && len(j.Captures) > 0:
		return []Finding{doubt("sysctl -w net.netfilter.nf_conntrack_max=262144", "room for %d connections only, captured ones and all others", most)}
	}
	return []Finding{ok("%d of %d entries are used", used, most)}
}

func number(file string, otherwise int) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return otherwise
	}
	return n
}

func sysctl(key string) string { return "/proc/sys/" + strings.ReplaceAll(key, ".", "/") }
