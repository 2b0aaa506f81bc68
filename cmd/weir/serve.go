package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/admin"
	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/control/systemd"
	"github.com/weir-proxy/weir/telemetry/pen"
)

// server is a weir in the foreground.
type server struct {
	load     func() (*config.Config, config.Problems)
	loops    int
	drain    time.Duration             // exchanges under way may take this long after SIGTERM; 0: as the listeners say
	takeover time.Duration             // a new binary may take this long to be ready after SIGUSR2; 0: takeoverDefault
	watch    bool                      // reload when a file of the configuration is saved
	pidFile  string                    // "": none
	user     string                    // to run as once the listeners are open; "": as now
	landlock bool                      // nothing is written but where the configuration says
	stderr   io.Writer                 // run makes it one that nobody waits for
	color    bool                      // it takes colors
	ready    func(d *lifecycle.Daemon) // called once it serves

	program string // what SIGUSR2 starts
	level   slog.LevelVar
	watched watched
	file    string // as the operator named it
	log     *slog.Logger
	admin   *admin.Server
	daemon  atomic.Pointer[lifecycle.Daemon]
	signals chan os.Signal
	wanted  chan struct{} // a reload that was asked for while a new binary takes over; holds one
	process atomic.Pointer[api.Process]

	replaced bool // another process has taken over; owned by serve
}

// reloaded reports what came of a reload, whoever asked for it.
func (s *server) reloaded(plan *api.Plan, problems config.Problems, err error) {
	if s.report(problems, err) != nil {
		s.log.Error("reload refused; the running configuration stays", "error", err)
		return
	}
	s.setLevel()
	plan.Write(s.stderr)
	s.log.Info("reloaded", "changes", len(plan.Changes))
}

// setLevel takes the level of messages from the running configuration.
func (s *server) setLevel() {
	s.level.UnmarshalText([]byte(s.daemon.Load().Config().Logs.Level))
}

// run serves until a signal ends it.
func (s *server) run() error {
	s.program = ownProgram()
	s.color = cli.UsesColor(s.stderr)
	stderr, flush := pen.Messages(s.stderr)
	s.stderr = stderr
	defer flush()
	s.log = slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: &s.level}))
	s.signals, s.wanted = make(chan os.Signal, 4), make(chan struct{}, 1)
	signal.Notify(s.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(s.signals)
	before, err := s.whatWasLeft()
	if err != nil {
		return err
	}
	s.admin = s.newAdmin(s.log, before.state.Admin)
	defer s.admin.Close()
	d, err := s.start(before)
	if err != nil {
		before.refuse(err)
		return err
	}
	s.notePid()
	defer s.removePid()
	s.log.Info("serving", "pid", os.Getpid(), "listeners", len(d.Config().Listeners), "sites", len(d.Config().Sites), "pools", len(d.Config().Pools))
	s.tell(systemd.Ready(s.summary()))
	if s.ready != nil {
		s.ready(d)
	}
	ended := make(chan struct{})
	defer close(ended)
	go s.petWatchdog(before.channel != nil, ended)
	var saved <-chan struct{}
	if s.watch {
		saved = s.watched.saved(s.file, ended)
	}
	return s.serve(d, saved)
}

// absolute is the name of the configuration's file by which what outlives a process is found again.
func absolute(file string) string {
	if all, err := filepath.Abs(file); err == nil {
		return all
	}
	return file
}

// start brings the daemon to serve, by itself or in the place of another process.
func (s *server) start(before *inheritance) (*lifecycle.Daemon, error) {
	file := absolute(s.file)
	d, problems, err := lifecycle.Start(lifecycle.Options{Load: s.loadAndNote, Prepare: s.confined(s.admin.Prepare), Probe: s.confined(s.admin.Probe),
		Inherited: before.state, Paused: before.channel != nil, File: file, Loops: s.loops, SingleSends: os.Getenv("WEIR_IO_URING") == "off", Log: s.log})
	if err := s.report(problems, err); err != nil {
		return nil, err
	}
	s.daemon.Store(d)
	s.setLevel()
	s.admin.Attach(d)
	// Before anything is accepted, and before another process gives up its place.
	err = s.confine(d, before.state.Confined)
	switch {
	case err != nil:
	case before.channel != nil:
		err = s.takeOver(d, before.channel)
	default:
		err = s.admin.Apply(d.Config())
	}
	if err != nil {
		d.Stop(context.Background(), nil)
		return nil, err
	}
	return d, nil
}

// serve does what signals and saved files ask for.
func (s *server) serve(d *lifecycle.Daemon, saved <-chan struct{}) error {
	var replacing *replacement
	for {
		wanted := s.wanted
		if replacing != nil {
			wanted = nil
		}
		select {
		case <-wanted:
			s.reload()
		case <-saved:
			s.log.Info("the configuration was saved: reloading")
			s.reload()
		case <-replacing.done():
			if replacing.err == nil {
				return s.leave(d, replacing)
			}
			s.log.Error("the new binary did not take over; this process goes on", "error", replacing.err)
			s.notePid()
			replacing = nil
		case sig := <-s.signals:
			switch {
			case sig == syscall.SIGHUP:
				s.reload()
			case sig == syscall.SIGUSR2 && replacing == nil:
				replacing = s.replace(d)
			case sig == syscall.SIGUSR2:
				s.log.Warn("a new binary is taking over already")
			case replacing.abandon():
				return s.leave(d, replacing)
			default:
				if replacing != nil {
					s.notePid() // to be removed
				}
				return s.stop(d)
			}
		}
	}
}

func (s *server) reload() {
	s.tell(systemd.Reloading())
	s.admin.Reload()
	s.tell(systemd.Ready(s.summary()))
}

// later notes a reload that was asked for while a new binary takes over. The process that serves afterwards does it: the new one may have read its configuration already.
func (s *server) later() {
	select {
	case s.wanted <- struct{}{}:
		s.log.Info("a new binary is taking over: the reload follows once it has, or has failed to")
	default:
	}
}

// summary is what the service manager shows.
func (s *server) summary() string {
	cfg := s.daemon.Load().Config()
	return fmt.Sprintf("serving %d sites on %d listeners", len(cfg.Sites), len(cfg.Listeners))
}

// tell notes that the service manager could not be told.
func (s *server) tell(err error) {
	if err != nil {
		s.log.Warn("the service manager was not told", "error", err)
	}
}

// loadAndNote loads, and notes which files the configuration was read from.
func (s *server) loadAndNote() (*config.Config, config.Problems) {
	cfg, problems := s.load()
	if cfg != nil {
		s.watched.note(cfg)
	}
	return cfg, problems
}

// report prints problems as `weir check` does.
func (s *server) report(problems config.Problems, err error) error {
	if len(problems) > 0 {
		problems.Write(s.stderr, s.color)
	}
	var refused *lifecycle.Refused
	if errors.As(err, &refused) {
		return cli.ErrNotSo
	}
	return err
}
