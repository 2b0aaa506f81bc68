package main

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/weir-proxy/weir/control/admin"
	"github.com/weir-proxy/weir/control/explain"
	"github.com/weir-proxy/weir/control/lifecycle"
)

// newAdmin makes the server of the admin addresses. It opens them while the configuration is loaded, so that one that is taken refuses the
// configuration, and speaks for the daemon once that runs.
func (s *server) newAdmin(log *slog.Logger, sockets map[string]int) *admin.Server {
	return admin.New(admin.Config{Version: version(), File: s.file, Sockets: sockets, Log: log, Process: s.process.Load, Reload: s.reloaded,
		Explain: func(r *http.Request) (any, error) { return explainRunning(s.daemon.Load(), r) }})
}

// explainRunning answers GET /explain?url=…&method=…&header=Name:+value&client=IP by what runs.
func explainRunning(d *lifecycle.Daemon, r *http.Request) (any, error) {
	q := r.URL.Query()
	ask := explain.Request{Client: explain.DefaultClient(), Method: q.Get("method"), URL: q.Get("url")}
	for _, text := range q["header"] {
		field, err := explain.ParseField(text)
		if err != nil {
			return nil, err
		}
		ask.Fields = append(ask.Fields, field)
	}
	if client := q.Get("client"); client != "" {
		ip, err := netip.ParseAddr(client)
		if err != nil {
			return nil, err
		}
		ask.Client = ip
	}
	running := d.Snapshot()
	return explain.New(running.Config, running.Sites).Explain(&ask)
}
