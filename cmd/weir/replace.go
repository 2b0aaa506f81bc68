package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/control/systemd"
	"github.com/weir-proxy/weir/traffic/exchange"
)

// This file is the side of the process that is replaced; takeover.go that of the new one.

// takeoverDefault is how long a new binary may take to be ready.
const takeoverDefault = 15 * time.Second

// ownProgram is the path of the running program as it was called by: a file, or a link, that was replaced since leads to the new one.
func ownProgram() string {
	name := os.Args[0]
	if strings.Contains(name, "/") {
		if path, err := filepath.Abs(name); err == nil {
			return path
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 && filepath.IsAbs(path) {
			return path
		}
	}
	path, err := os.Executable()
	if err != nil {
		return name
	}
	return path
}

// replacement is a new process that is to take over. err is read once finished is closed.
type replacement struct {
	process  *os.Process
	channel  *handover.Channel
	finished chan struct{}
	err      error // nil: it has taken over
}

// done is closed when the new process has taken over or failed to.
func (r *replacement) done() <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.finished
}

// abandon ends the attempt because weir is to stop. It reports whether it comes too late: then the new process is told to stop.
func (r *replacement) abandon() bool {
	if r == nil || r.channel == nil {
		return false
	}
	r.channel.HangUp()
	<-r.finished
	if r.err != nil {
		return false
	}
	r.process.Signal(syscall.SIGTERM)
	return true
}

// replace starts the program anew and has it take over.
func (s *server) replace(d *lifecycle.Daemon) *replacement {
	limit := s.takeover
	if limit <= 0 {
		limit = takeoverDefault
	}
	r := &replacement{finished: make(chan struct{})}
	s.log.Info("starting the new binary", "program", s.program, "limit", limit)
	r.process, r.channel, r.err = handover.Start(s.program, os.Args)
	if r.err != nil {
		close(r.finished)
		return r
	}
	go func() {
		defer close(r.finished)
		if r.err = s.handOver(d, r.channel, time.Now().Add(limit)); r.err != nil {
			r.process.Kill()
			if state, err := r.process.Wait(); err == nil {
				r.err = fmt.Errorf("%w (%s)", r.err, state)
			}
			r.channel.Close()
		}
	}()
	return r
}

func (s *server) handOver(d *lifecycle.Daemon, c *handover.Channel, by time.Time) error {
	files, err := s.admin.Sockets()
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return err
	}
	state := handover.State{Admin: map[string]int{}, Confined: s.process.Load().Landlock}
	for address, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		// Not f.Fd(), which makes the socket a blocking one, here and in every process that has it.
		if err := raw.Control(func(fd uintptr) { state.Admin[address] = int(fd) }); err != nil {
			return err
		}
	}
	return d.HandOver(c, state, by)
}

// leave passes on what the process has and ends it. The new one serves already.
func (s *server) leave(d *lifecycle.Daemon, r *replacement) error {
	s.replaced = true
	s.tell(systemd.Replaced(r.process.Pid))
	s.log.Info("the new binary has taken over", "pid", r.process.Pid)
	s.admin.Leave()
	reload := func() {
		if err := r.process.Signal(syscall.SIGHUP); err != nil {
			s.log.Warn("the new process was not told to reload", "error", err)
			return
		}
		s.log.Info("the new process was told to reload", "pid", r.process.Pid)
	}
	select {
	case <-s.wanted:
		reload()
	default:
	}
	err := s.end(d, "leaving", reload, func(ctx context.Context, progress func(exchange.Left)) error {
		return d.Leave(ctx, r.channel, progress)
	})
	r.channel.Close()
	signal.Stop(s.signals)
	return err
}
