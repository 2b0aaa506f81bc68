package main

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/control/systemd"
	"github.com/weir-proxy/weir/traffic/exchange"
)

// stop drains; a second signal ends the wait.
func (s *server) stop(d *lifecycle.Daemon) error {
	s.tell(systemd.Stopping("requests under way end"))
	return s.end(d, "stopping", func() {}, d.Stop)
}

// end runs a way to end, at most for as long as requests may take, and says how it goes. reload does what SIGHUP asks for meanwhile.
func (s *server) end(d *lifecycle.Daemon, doing string, reload func(), end func(context.Context, func(exchange.Left)) error) error {
	limit := s.drain
	if limit <= 0 {
		limit = d.DrainLimit()
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	go s.hearMeanwhile(ctx, cancel, reload)
	// A loop that is stuck must not keep the process from ending.
	forced := time.AfterFunc(limit+forceAfter, func() {
		s.log.Error("stopped by force: a loop does not answer")
		os.Exit(1)
	})
	defer forced.Stop()
	s.log.Info(doing, "limit", limit)
	began, last := time.Now(), time.Now()
	err := end(ctx, func(left exchange.Left) {
		if time.Since(last) > time.Second {
			last = time.Now()
			s.log.Info(doing, "connections_left", left.Connections, "requests_left", left.Exchanges, "tunnels_left", left.Tunnels,
				"time_left", (limit - time.Since(began)).Round(time.Second))
		}
	})
	if err != nil {
		s.log.Warn("stopped", "error", err)
		return nil
	}
	s.log.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
	return nil
}

// hearMeanwhile does what is asked of a process that ends: another SIGTERM or SIGINT ends the wait.
func (s *server) hearMeanwhile(ctx context.Context, cancel func(), reload func()) {
	for {
		select {
		case sig := <-s.signals:
			switch sig {
			case syscall.SIGHUP:
				reload()
			case syscall.SIGTERM, syscall.SIGINT:
				cancel()
			}
		case <-s.wanted:
			reload()
		case <-ctx.Done():
			return
		}
	}
}

// forceAfter is how much longer than its limit a stop may take.
const forceAfter = 900 * time.Millisecond
