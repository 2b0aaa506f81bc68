package lifecycle

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
)

// Check reports why a weir started now, on this machine, would refuse the configuration. It changes nothing, and what a running weir has open is no obstacle.
func Check(cfg *config.Config) config.Problems {
	built, problems := snapshot.Build(cfg, nil, 1)
	if built != nil {
		problems = append(problems, checkAddresses(cfg, built)...)
	}
	return append(append(problems, checkInterfaces(cfg)...), checkLog(cfg)...)
}

// checkInterfaces looks for interfaces that this machine does not have.
func checkInterfaces(cfg *config.Config) (problems config.Problems) {
	missing := func(path, name string) {
		if _, err := net.InterfaceByName(name); err != nil {
			problems = append(problems, cfg.ProblemAt(path, "this machine has no interface %q", name))
		}
	}
	for i := range cfg.Pools {
		if p := &cfg.Pools[i]; p.Mode == "direct" && p.Interface != "" {
			missing("pools."+p.Name+".interface", p.Interface)
		}
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
			case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
				problems = append(problems, cfg.WarningAt(path, "you may not open %s: weir needs root or CAP_NET_BIND_SERVICE for ports below 1024", a))
			default:
				problems = append(problems, cfg.ProblemAt(path, "%v", err))
			}
		}
	}
	return problems
}

// checkLog finds out whether the access log could be opened, without making it.
func checkLog(cfg *config.Config) config.Problems {
	a := &cfg.Logs.Access
	if a.Off || a.File == "stdout" || a.File == "stderr" {
		return nil
	}
	err := canAppend(a.File)
	if err == nil && a.Rotate != nil {
		err = canMakeIn(filepath.Dir(a.File)) // where the old files stay
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		return config.Problems{cfg.WarningAt("logs.access", "you may not write it: %v", err)}
	}
	return config.Problems{cfg.ProblemAt("logs.access", "cannot be written: %v", err)}
}

// canAppend reports why the file could not be opened for writing at its end, or made.
func canAppend(file string) error {
	st, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return canMakeIn(filepath.Dir(file))
	case err != nil:
		return err
	case st.IsDir():
		return fmt.Errorf("%s is a directory", file)
	}
	const write = 2
	return access(file, write)
}

func canMakeIn(directory string) error {
	st, err := os.Stat(directory)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is not a directory", directory)
	}
	if err != nil {
		return err
	}
	const write, search = 2, 1
	return access(directory, write|search)
}

func access(path string, how uint32) error {
	if err := syscall.Access(path, how); err != nil {
		return &os.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}
