package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/confine"
	"github.com/weir-proxy/weir/control/lifecycle"
)

// confine gives away what serving does not need. confined says that the process before had restricted itself already, which holds for this
// one too. Another user than asked for is an error; what else the system cannot do is said and ends nothing.
func (s *server) confine(d *lifecycle.Daemon, confined bool) error {
	is := &api.Process{LowPorts: os.Getuid() == 0, Landlock: confined}
	if s.user != "" {
		if a := d.Config().Logs.Access; !a.Off {
			if err := confine.Give(a.File, s.user); err != nil {
				return fmt.Errorf("--user %s: %w", s.user, err)
			}
		}
		if err := confine.GiveBelow(d.Config().Data, s.user, append(certs.KeptBelow(), lifecycle.KeptBelow()...)...); err != nil {
			s.log.Warn("certificates may not be renewed: what is kept of them is not the user's", "data", d.Config().Data, "error", err)
		}
		for _, path := range s.admin.SocketPaths() {
			if err := s.giveSocket(path); err != nil {
				return fmt.Errorf("--user %s: %w", s.user, err)
			}
		}
		kept, err := confine.Drop(s.user, d.Config().NeedsNetAdmin())
		if err != nil {
			return fmt.Errorf("--user %s: %w", s.user, err)
		}
		if kept != nil {
			s.log.Warn("a later reload cannot open ports below 1024, or change the network", "error", kept)
		}
		is.LowPorts = kept == nil
	}
	if s.landlock && !confined {
		err := confine.WritesTo(s.writableDirectories(d.Config()))
		if err != nil {
			s.log.Warn("weir is not restricted by Landlock", "error", err)
		}
		is.Landlock = err == nil
	}
	is.User = strconv.Itoa(os.Getuid())
	if u, err := user.LookupId(is.User); err == nil {
		is.User = u.Username
	}
	s.process.Store(is)
	return nil
}

// giveSocket gives an admin socket to the user, and its directory where that is weir's own: the user removes the socket at the end.
func (s *server) giveSocket(path string) error {
	if path == config.DefaultAdminSocket {
		if err := confine.GiveBelow(filepath.Dir(path), s.user); err != nil {
			return err
		}
	}
	return confine.Give(path, s.user)
}

// confined adds to what another part of the process finds wrong with a configuration what Landlock would refuse of it.
func (s *server) confined(other func(*config.Config) config.Problems) func(*config.Config) config.Problems {
	return func(cfg *config.Config) config.Problems {
		if is := s.process.Load(); is == nil || !is.Landlock {
			return other(cfg)
		}
		var problems config.Problems
		running := s.writes(s.daemon.Load().Config())
		for _, w := range s.writes(cfg) {
			if !slices.Contains(running, w) && confine.Refuses(w.directory) {
				problems = append(problems, cfg.ProblemAt(w.key, "--landlock: since its start, weir cannot write to %s, which the configuration did not name then; start it again to change that", w.directory))
			}
		}
		if len(problems) > 0 {
			return problems
		}
		return other(cfg)
	}
}

// written is a directory in which weir makes or changes files, and the key that says so; "": none does.
type written struct{ directory, key string }

// writableDirectories are those in which weir makes or changes files.
func (s *server) writableDirectories(cfg *config.Config) (list []string) {
	for _, w := range s.writes(cfg) {
		list = append(list, w.directory)
	}
	for _, path := range s.admin.SocketPaths() {
		if path, err := filepath.Abs(path); err == nil {
			list = append(list, filepath.Dir(path))
		}
	}
	return list
}

// writes are the directories of what weir keeps, of its log and of its Unix sockets. The admin socket is not among them: it is found by the configuration alone only where it is named.
func (s *server) writes(cfg *config.Config) []written {
	list := []written{{cfg.Data, "data"}}
	of := func(file, key string) {
		if path, err := filepath.Abs(file); err == nil {
			list = append(list, written{filepath.Dir(path), key})
		}
	}
	if a := cfg.Logs.Access; !a.Off && a.File != "stdout" && a.File != "stderr" {
		of(a.File, "logs.access")
	}
	if s.pidFile != "" {
		of(s.pidFile, "")
	}
	if path := string(cfg.Admin.Socket); !cfg.Admin.Off && path != config.DefaultAdminSocket && path != "" {
		of(path, "admin")
	}
	for i := range cfg.Listeners {
		for _, a := range cfg.Listeners[i].Address {
			if a.Unix != "" {
				of(a.Unix, "listeners."+cfg.Listeners[i].Name)
			}
		}
	}
	return list
}
