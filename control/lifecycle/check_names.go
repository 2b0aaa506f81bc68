package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/pool/resolve"
)

// How long the names of a configuration may take to be looked up, all together, and one query.
const (
	namesMost = 3 * time.Second
	queryMost = 700 * time.Millisecond
)

// CheckNames warns of servers' names that do not resolve now. A weir starts with them all the same: they may resolve later.
func CheckNames(cfg *config.Config) config.Problems {
	return checkNames(cfg, resolve.Config{Timeout: queryMost}, namesMost)
}

func checkNames(cfg *config.Config, c resolve.Config, most time.Duration) (problems config.Problems) {
	names, targets := namesOf(cfg)
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	failed := resolve.Once(ctx, c, targets)
	late := map[pool.Target]bool{}
	var firstLate string
	for _, n := range names {
		switch err := failed[n.target]; {
		case err == nil:
		case errors.Is(err, context.DeadlineExceeded):
			if late[n.target] = true; firstLate == "" {
				firstLate = n.path
			}
		default:
			problems = append(problems, cfg.WarningAt(n.path, "does not resolve now: %v; weir starts all the same, and the server gets no requests until it does", err))
		}
	}
	if len(late) > 0 {
		problems = append(problems, cfg.WarningAt(firstLate, "DNS has not answered within %v for %s; weir starts all the same", most, countedNames(len(late))))
	}
	return problems
}

func countedNames(n int) string {
	if n == 1 {
		return "this name"
	}
	return fmt.Sprintf("this name and %d more", n-1)
}

// name is where a name of servers is written.
type name struct {
	path   string
	target pool.Target
}

// namesOf are the names in pools, in the order of the configuration, and each of them once.
func namesOf(cfg *config.Config) (names []name, targets []pool.Target) {
	known := map[pool.Target]bool{}
	add := func(path string, t pool.Target) {
		names = append(names, name{path, t})
		if !known[t] {
			known[t] = true
			targets = append(targets, t)
		}
	}
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		path := config.PoolPath(p.Name)
		for k := range p.Servers {
			a := p.Servers[k].Address
			if _, isIP := a.IP(); !isIP && a.Unix == "" && a.Host != "" {
				add(fmt.Sprintf("%s.servers[%d]", path, k), pool.Target{Name: a.Host, Port: 1}) // whatever the port
			}
		}
		if p.SRV != "" {
			add(path+".srv", pool.Target{Name: p.SRV})
		}
	}
	return names, targets
}
