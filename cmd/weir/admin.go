package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/weir-proxy/weir/control/admin"
	"github.com/weir-proxy/weir/control/explain"
	"github.com/weir-proxy/weir/control/lifecycle"
)

// newAdmin makes the server of the admin addresses. It opens them while the configuration is loaded, so that one that is taken refuses the
// configuration, and speaks for the daemon once that runs.
func (s *server) newAdmin(log *slog.Logger, sockets map[string]int) *admin.Server {
	return admin.New(admin.Config{Version: version(), File: s.file, Sockets: sockets, Log: log, Process: s.process.Load, Reload: s.reloaded, Later: s.later,
		Explain: func(r *http.Request) (any, error) { return explainRunning(s.daemon.Load(), r) }})
}

// explainRunning answers GET /explain by what runs.
func explainRunning(d *lifecycle.Daemon, r *http.Request) (any, error) {
	ask, err := asked(r.URL.Query())
	if err != nil {
		return nil, err
	}
	running := d.Snapshot()
	return explain.New(running.Config, running.Sites).Explain(ask)
}

// asked is the question of ?url=…&method=…&header=Name:+value&client=IP&to=IP:PORT, the same that the command line takes.
func asked(q url.Values) (*explain.Request, error) {
	ask := &explain.Request{Client: explain.DefaultClient(), Method: q.Get("method"), URL: q.Get("url")}
	for _, text := range q["header"] {
		field, err := explain.ParseField(text)
		if err != nil {
			return nil, err
		}
		ask.Fields = append(ask.Fields, field)
	}
	var err error
	if client := q.Get("client"); client != "" {
		if ask.Client, err = netip.ParseAddr(client); err != nil {
			return nil, fmt.Errorf("client %q is not an IP address", client)
		}
	}
	if to := q.Get("to"); to != "" {
		if ask.To, err = netip.ParseAddrPort(to); err != nil {
			return nil, fmt.Errorf("to %q is not an address with a port, such as 192.0.2.7:80", to)
		}
	}
	return ask, nil
}
