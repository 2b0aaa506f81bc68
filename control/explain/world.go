package explain

import (
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http1"
)

// World is what requests are explained by: a configuration and the index built from it. Immutable.
type World struct {
	cfg       *config.Config
	sites     *site.Index
	listeners []listener
}

// listener is what of a listener decides about a request.
type listener struct {
	name          string
	taker         taker
	passthrough   *config.Listener // of protocol tls: serves the names that it terminates; nil: serves every name
	isSecure      bool
	redirectHTTPS string // port to which it sends everybody, "" if it serves
	trusted       *filter.Networks
	source        filter.Source
	public        exchange.Public
	forwarded     filter.Forwarded
	limits        http1.Limits
	needs         *snapshot.Needs // what sites need of their clients' connections
}

// New makes the world of a running snapshot's configuration and index.
func New(cfg *config.Config, sites *site.Index) *World {
	w := &World{cfg: cfg, sites: sites}
	for i := range cfg.Listeners {
		if l := &cfg.Listeners[i]; l.IsHTTP() || l.Terminates() {
			w.listeners = append(w.listeners, newListener(cfg, sites, l))
		}
	}
	return w
}

// Offline makes the world of a configuration that does not run. Pools are known by name alone.
func Offline(cfg *config.Config) (*World, config.Problems) {
	destinations := map[string]*site.Destination{}
	for i := range cfg.Pools {
		name := cfg.Pools[i].Name
		destinations[name] = &site.Destination{Pool: pool.New(pool.Config{Name: name}, nil)}
	}
	sites, problems := snapshot.BuildSites(cfg, func(name string) *site.Destination { return destinations[name] })
	if sites == nil {
		return nil, problems
	}
	return New(cfg, sites), problems
}

func newListener(cfg *config.Config, sites *site.Index, l *config.Listener) listener {
	out := listener{
		name: l.Name, taker: takerOf(l), isSecure: l.TLS != nil, trusted: filter.NewNetworks(l.TrustedProxies),
		source: filter.Sources()[l.TrustedFields], public: snapshot.PublicOf(l),
		forwarded: filter.ForwardedModes()[l.Forwarded],
		limits:    http1.Limits{Head: int(l.Limits.HeaderSize), Target: int(l.Limits.URLSize), Fields: l.Limits.HeaderCount},
	}
	out.needs = snapshot.NeedsOf(cfg, sites, l)
	if !l.IsHTTP() {
		out.passthrough = l
	}
	if l.Redirect == "https" {
		out.redirectHTTPS = snapshot.SecurePort(cfg, l)
	}
	return out
}
