package lifecycle

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/netfilter"
)

// Check reports why a weir started now, on this machine, would refuse the configuration. It changes nothing, and what a running weir has open is no obstacle.
func Check(cfg *config.Config) config.Problems {
	built, problems := snapshot.Build(cfg, nil, 1)
	problems = append(problems, checkInterfaces(cfg)...)
	if built != nil {
		problems = append(problems, checkAddresses(cfg, built)...)
	}
	if built != nil && len(problems.Errors()) == 0 {
		problems = append(problems, checkKernel(cfg, built)...)
	}
	return append(append(problems, checkData(cfg)...), checkLog(cfg)...)
}

// checkInterfaces looks for interfaces that this machine does not have, or that cannot do what is asked of them. A start and a reload refuse what it refuses.
func checkInterfaces(cfg *config.Config) (problems config.Problems) {
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		if p.Mode != "direct" || p.Interface == "" {
			continue
		}
		path := "pools." + p.Name + ".interface"
		if link, err := net.InterfaceByName(p.Interface); err != nil {
			problems = append(problems, cfg.ProblemAt(path, "this machine has no interface %q", p.Interface))
		} else if err := netfilter.CanSendFrames(link); err != nil {
			problems = append(problems, cfg.ProblemAt(path, "%v, which mode: direct needs", err))
		} else {
			problems = append(problems, checkDirectAddresses(cfg, p, link)...)
		}
	}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if l.Capture == nil {
			continue
		}
		for k, name := range l.Capture.Interfaces {
			if _, err := net.InterfaceByName(name); err != nil {
				problems = append(problems, cfg.WarningAt(fmt.Sprintf("listeners.%s.capture.interfaces[%d]", l.Name, k), "this machine has no interface %q: nothing is captured there until it has", name))
			}
		}
	}
	return problems
}

// checkDirectAddresses warns of listeners of direct return whose address is not on the pool's interface: only packets that come in by that are sent on. A router may send them there
// all the same, so that this is no error.
func checkDirectAddresses(cfg *config.Config, p *config.Pool, link *net.Interface) (problems config.Problems) {
	own, err := link.Addrs()
	if err != nil {
		return nil
	}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		for _, a := range l.Address {
			isOwn := slices.ContainsFunc(own, func(o net.Addr) bool { n, is := o.(*net.IPNet); return is && n.IP.Equal(a.IP.AsSlice()) })
			if l.Pool == p.Name && a.IP.IsValid() && !isOwn {
				problems = append(problems, cfg.WarningAt("listeners."+l.Name+".address", "%v is not an address of %s, and mode: direct of pool %s takes only packets that come in by that: clients of other networks are refused", a.IP, p.Interface, p.Name))
			}
		}
	}
	return problems
}

// checkKernel has the kernel try what it would be told, without doing it. Servers' hardware addresses need not be known for that.
func checkKernel(cfg *config.Config, built *snapshot.Snapshot) (problems config.Problems) {
	try := func(path string, told []netfilter.Service, rules *netfilter.Rules) {
		switch err := netfilter.Check(told, rules); {
		case err == nil:
		case errors.Is(err, os.ErrPermission):
			problems = append(problems, cfg.WarningAt(path, "it cannot be tried whether this kernel can do it: %v", err))
		default:
			problems = append(problems, cfg.ProblemAt(path, "this machine's kernel cannot do it: %v", err))
		}
	}
	for i := range built.Forwards {
		f := &built.Forwards[i]
		told, _ := services(f, anyHardware)
		try("listeners."+f.Listener, told, &netfilter.Rules{})
	}
	if !built.Rules.IsEmpty() {
		try("network", nil, built.Rules)
	}
	return problems
}

// checkAddresses looks for addresses that this machine does not have, and warns of those that somebody uses, or that only root may open: the user who checks need not
// be the one that weir runs as, and the one who uses them may be the weir that runs.
func checkAddresses(cfg *config.Config, built *snapshot.Snapshot) (problems config.Problems) {
	for i := range built.Listeners {
		l := &built.Listeners[i]
		path := "listeners." + l.Name
		for _, a := range l.Addresses {
			switch err := engine.CanListen(a); {
			case err == nil || l.Transparent:
			case errors.Is(err, syscall.EADDRINUSE):
				problems = append(problems, cfg.WarningAt(path, "%s is in use now; unless by the weir that this configuration is for, weir will not start", a))
			case a.Path != "": // its directory may be made by who starts weir, as systemd's RuntimeDirectory is
				problems = append(problems, cfg.WarningAt(path, "%v; unless that changes, weir will not start", err))
			case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
				problems = append(problems, cfg.WarningAt(path, "you may not open %s: weir needs root or CAP_NET_BIND_SERVICE for ports below 1024", a))
			default:
				problems = append(problems, cfg.ProblemAt(path, "%v", err))
			}
		}
	}
	return problems
}
