package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-proxy/weir/kernel/netfilter"
)

// Verdict is how good a finding is.
type Verdict string

// Verdicts. What is doubtful may work; what fails does not.
const (
	OK    Verdict = "ok"
	Doubt Verdict = "warning"
	Fail  Verdict = "failure"
)

// Finding is what a check has found.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Says    string  `json:"says"`
	Repair  string  `json:"repair,omitempty"` // what to type, or to ask for
}

// Job is what weir is to do, as far as the machine matters.
type Job struct {
	LowPorts  bool     // a listener has a port below 1024
	Captures  []string // listeners that capture, by name
	Captured  []string // the families, IPv4 and IPv6, whose connections they capture
	Devices   []string // interfaces that they name
	TPROXY    bool     // one of them keeps destinations
	Forwards  bool     // the kernel carries connections through this machine
	Rewritten []string // the families, IPv4 and IPv6, whose destinations it rewrites: those of addresses that have servers; direct return needs no forwarding
	Pools     []Pool
	Config    string // the configuration's file, by which a weir that runs with it is found
	Routes    bool   // marked packets are to be routed to this machine
	Tables    []netfilter.Expected
	Mark      uint32
	Table     int
	Client    []netip.Addr  // as which client the way back is tried; one of each family
	Patience  time.Duration // for a server; 0: 1 s
}

// Pool is servers, and how they are reached.
type Pool struct {
	Name     string
	Servers  []netip.AddrPort
	ByClient bool         // servers see the client's address, and their replies have to come back here
	Sources  []netip.Addr // own addresses that connections come from
	Most     int          // connections to one server; 0: no limit
	UDP      bool         // datagrams: a connection cannot be tried
	Direct   string       // the interface of direct return, "" without
	Listens  []netip.Addr // with Direct, the addresses of its listeners
}

// isTransparent reports whether some servers see clients' addresses.
func (j *Job) isTransparent() bool {
	for i := range j.Pools {
		if j.Pools[i].ByClient {
			return true
		}
	}
	return false
}

// shows reports whether servers of the family see clients' addresses.
func (j *Job) shows(is4 bool) bool {
	for i := range j.Pools {
		if p := &j.Pools[i]; p.ByClient && p.has(is4) {
			return true
		}
	}
	return false
}

func (p *Pool) has(is4 bool) bool {
	for _, s := range p.Servers {
		if s.Addr().Is4() == is4 {
			return true
		}
	}
	return false
}

// Rewrites notes that the kernel rewrites destinations from a listener's address, an invalid one for all of this machine's, to the pool's servers.
func (j *Job) Rewrites(p *Pool, from netip.Addr) {
	for family, is4 := range map[string]bool{"IPv4": true, "IPv6": false} {
		if (!from.IsValid() || from.Is4() == is4) && p.has(is4) && !slices.Contains(j.Rewritten, family) {
			j.Rewritten = append(j.Rewritten, family)
		}
	}
}

// Capture notes a listener that captures connections to its addresses from some networks to others. Without networks it captures those of the addresses' families, and an invalid
// address and [::] are of both.
func (j *Job) Capture(name string, addresses []netip.Addr, from, to []netip.Prefix) {
	j.Captures = append(j.Captures, name)
	for family, is4 := range map[string]bool{"IPv4": true, "IPv6": false} {
		takes := slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.IsValid() || a == netip.IPv6Unspecified() || a.Is4() == is4 })
		for _, networks := range [][]netip.Prefix{from, to} {
			takes = takes && (len(networks) == 0 || slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Addr().Is4() == is4 }))
		}
		if takes && !slices.Contains(j.Captured, family) {
			j.Captured = append(j.Captured, family)
		}
	}
}

// checks are all there are, in the order of a packet that arrives. A new one is a row, and a file.
var checks = []struct {
	name string
	look func(*Job) []Finding
}{
	{"privileges", privileges},
	{"kernel", kernel},
	{"descriptors", descriptors},
	{"forwarding", forwarding},
	{"rp_filter", reversePath},
	{"conntrack", conntrack},
	{"mtu", mtu},
	{"ports", ports},
	{"shared subnet", sharedSubnet},
	{"return path", returnPath},
	{"direct return", directReturn},
	{"kept tables", keptTables},
	{"running weir", runningWeir},
}

// Examine runs every check. Each has at least one finding where it has anything to do.
func Examine(j *Job) (list []Finding) {
	for _, c := range checks {
		for _, f := range c.look(j) {
			f.Check = c.name
			list = append(list, f)
		}
	}
	return list
}

func ok(format string, args ...any) Finding {
	return Finding{Verdict: OK, Says: fmt.Sprintf(format, args...)}
}

func doubt(repair, format string, args ...any) Finding {
	return Finding{Verdict: Doubt, Says: fmt.Sprintf(format, args...), Repair: repair}
}

func fail(repair, format string, args ...any) Finding {
	return Finding{Verdict: Fail, Says: fmt.Sprintf(format, args...), Repair: repair}
}
