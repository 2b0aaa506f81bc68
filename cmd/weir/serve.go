package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/admin"
	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/traffic/exchange"
)

// server is a weir in the foreground.
type server struct {
	load    func() (*config.Config, config.Problems)
	loops   int
	drain   time.Duration // exchanges under way may take this long after SIGTERM
	watch   bool          // reload when a file of the configuration is saved
	stderr  io.Writer
	ready   func(d *lifecycle.Daemon) // called once it serves
	level   slog.LevelVar
	watched watched
	file    string // as the operator named it
	log     *slog.Logger
	admin   *admin.Server
	daemon  atomic.Pointer[lifecycle.Daemon]
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
	log := slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: &s.level}))
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	s.log = log
	s.admin = s.newAdmin(log)
	defer s.admin.Close()
	d, problems, err := lifecycle.Start(lifecycle.Options{Load: s.loadAndNote, Prepare: s.admin.Prepare, Probe: s.admin.Probe,
		Loops: s.loops, Log: log})
	if err := s.report(problems, err); err != nil {
		return err
	}
	s.daemon.Store(d)
	s.setLevel()
	s.admin.Attach(d)
	if err := s.admin.Apply(d.Config()); err != nil {
		d.Stop(context.Background(), nil)
		return err
	}
	reload := func() { s.admin.Reload() }
	log.Info("serving", "listeners", len(d.Config().Listeners), "sites", len(d.Config().Sites), "pools", len(d.Config().Pools))
	if s.ready != nil {
		s.ready(d)
	}
	var saved <-chan struct{}
	if s.watch {
		ended := make(chan struct{})
		defer close(ended)
		saved = s.watched.saved(s.file, ended)
	}
	for {
		select {
		case <-saved:
			log.Info("the configuration was saved: reloading")
			reload()
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				reload()
				continue
			}
			return s.stop(d, log, signals)
		}
	}
}

// stop drains; a second signal ends the wait.
func (s *server) stop(d *lifecycle.Daemon, log *slog.Logger, signals <-chan os.Signal) error {
	limit := s.drain
	if limit <= 0 {
		limit = d.DrainLimit()
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	// A loop that is stuck must not keep the process from ending.
	forced := time.AfterFunc(limit+forceAfter, func() {
		log.Error("stopped by force: a loop does not answer")
		os.Exit(1)
	})
	defer forced.Stop()
	log.Info("stopping", "limit", limit)
	began, last := time.Now(), time.Now()
	err := d.Stop(ctx, func(left exchange.Left) {
		if time.Since(last) > time.Second {
			last = time.Now()
			log.Info("stopping", "requests_left", left.Exchanges, "tunnels_left", left.Tunnels,
				"time_left", (limit - time.Since(began)).Round(time.Second))
		}
	})
	if err != nil {
		log.Warn("stopped", "error", err)
		return nil
	}
	log.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
	return nil
}

// forceAfter is how much longer than its limit a stop may take.
const forceAfter = 900 * time.Millisecond

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
		problems.Write(s.stderr, cli.UsesColor(s.stderr))
	}
	var refused *lifecycle.Refused
	if errors.As(err, &refused) {
		return cli.ErrNotSo
	}
	return err
}
