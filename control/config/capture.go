package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Capture takes connections to other machines, or other ports, which the kernel brings here. A bare value is its mode.
type Capture struct {
	// `redirect`: the kernel rewrites the destination to this listener (REDIRECT). `tproxy`: the destination stays as it was (TPROXY), which needs
	// CAP_NET_ADMIN and that marked packets are routed to this machine. Either way weir knows the original one: see `pool: original`,
	// `match.destinations` and the variables `dest_ip` and `dest_port`.
	Mode string `yaml:"mode,short,required" words:"redirect tproxy" example:"tproxy"`

	// Has weir install the rules, in a table of its own in nftables that goes when weir goes, and for `tproxy` the routing. Without it they are the operator's.
	Install bool `yaml:"install" default:"off" example:"on"`

	// The destination ports that are captured, with `install`.
	Ports []Ports `yaml:"ports" example:"[80, 8000-8099]"`

	// The interfaces by which captured traffic comes in, with `install`. Without it all but `lo`.
	Interfaces []string `yaml:"interfaces" example:"[eth1]"`

	// The networks that captured traffic comes from, with `install`. Without it all.
	From []netip.Prefix `yaml:"from" example:"[10.0.0.0/8]"`

	// The networks that it goes to, with `install`. Without it all.
	To []netip.Prefix `yaml:"to" example:"[192.0.2.0/24]"`
}

// Ports is a port or a range of them.
type Ports struct{ First, Last uint16 }

// String is the form that the file takes.
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return strconv.Itoa(int(p.First)) + "-" + strconv.Itoa(int(p.Last))
}

// FromText takes `80` and `8000-8099`.
func (p *Ports) FromText(text string) error {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return problemf("%q is no port or range of ports; write it like 80 or 8000-8099", text)
	}
	*p = Ports{uint16(a), uint16(b)}
	return nil
}

// Network is what weir may set up in this machine's network so that traffic to addresses which are not this machine's is delivered to it: for
// `source: client` of pools, and `capture: tproxy` with `install`. A bare value is `install`.
type Network struct {
	// Has weir set up what `source: client` needs: the mark of packets of such connections (in nftables, in a table of its own), a routing rule for marked
	// packets and its table. They go when weir stops.
	Install bool `yaml:"install,short" default:"off" example:"on"`

	// The packets' mark.
	Mark int `yaml:"mark" default:"30565" range:"1 2147483647" example:"119"`

	// The number of the routing table, and the priority of the rule.
	Table int `yaml:"table" default:"7765" range:"1 2147483647" example:"119"`
}

// Original is the name of the pool whose servers are where clients wanted to go.
const Original = "original"

// captures reports whether a listener takes connections to other machines.
func (c *Config) captures() bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.Capture != nil })
}

// IsOriginal reports whether the pool's servers are where clients wanted to go.
func (p *Pool) IsOriginal() bool { return p.Name == Original && len(p.Servers) == 0 && p.SRV == "" }

// impliedOriginal adds the pool that goes without saying once something is captured.
func (r *reader) impliedOriginal(cfg *Config) {
	if cfg.captures() && cfg.Pool(Original) == nil {
		p := newIn[Pool](r.shapes)
		p.Name = Original
		cfg.addPool(p)
	}
}

// NeedsNetAdmin reports whether something needs the system's power over the network, CAP_NET_ADMIN.
func (c *Config) NeedsNetAdmin() bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.Capture != nil && (l.Capture.Install || l.Capture.Mode == "tproxy") }) ||
		slices.ContainsFunc(c.Pools, func(p Pool) bool { return p.FromClient() || p.IsForwarded() })
}

func (r *reader) checkCapture(path string, l *Listener) {
	c := l.Capture
	if c == nil {
		return
	}
	if l.Protocol == "udp" && c.Mode == "redirect" {
		r.wrong(joinPath(path, "mode"), "the kernel does not tell where a redirected datagram was for; write tproxy")
	}
	if !c.Install {
		for key, written := range map[string]bool{"ports": len(c.Ports) > 0, "interfaces": len(c.Interfaces) > 0, "from": len(c.From) > 0, "to": len(c.To) > 0} {
			if written {
				r.wrong(joinPath(path, key), "says what rules weir installs, and it installs none; write install: on")
			}
		}
		return
	}
	if len(c.Ports) == 0 {
		r.wrong(path, "needs ports: a capture of everything would take this machine's own traffic")
	}
	for i, p := range c.Ports {
		for _, a := range l.Address {
			if a.Unix == "" && p.First <= a.Last && a.First <= p.Last {
				r.wrong(indexPath(joinPath(path, "ports"), i), "%v is the listener's own port, where captured connections could not be told from others", p)
			}
		}
	}
	if n := len(l.Address); n != 1 || l.Address[0].Unix != "" || l.Address[0].First != l.Address[0].Last {
		r.wrong(path, "install needs a listener with one address and port, to which the kernel brings the connections")
	}
}
