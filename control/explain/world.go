package explain

import (
	"strconv"

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
	addresses     []config.Address
	isSecure      bool
	redirectHTTPS string // port to which it sends everybody, "" if it serves
	trusted       *filter.Networks
	source        filter.Source
	public        exchange.Public
	forwarded     filter.Forwarded
	limits        http1.Limits
}

// New makes the world of a running snapshot's configuration and index.
func New(cfg *config.Config, sites *site.Index) *World {
	w := &World{cfg: cfg, sites: sites}
	for i := range cfg.Listeners {
		if l := &cfg.Listeners[i]; l.Protocol == "http" {
			w.listeners = append(w.listeners, newListener(cfg, l))
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

func newListener(cfg *config.Config, l *config.Listener) listener {
	out := listener{
		name: l.Name, addresses: l.Address, isSecure: l.TLS != nil, trusted: filter.NewNetworks(l.TrustedProxies),
		source: filter.Sources()[l.TrustedFields], public: snapshot.PublicOf(l),
		forwarded: filter.ForwardedModes()[l.Forwarded],
		limits:    http1.Limits{Head: int(l.Limits.HeaderSize), Target: int(l.Limits.URLSize), Fields: l.Limits.HeaderCount},
	}
	if l.Redirect == "https" {
		out.redirectHTTPS = snapshot.SecurePort(cfg, l)
	}
	return out
}

// listenerOf is the listener that takes a URL, and why: the one with its port and scheme. Where a configuration has none, as behind
// another proxy that ends TLS, the first that serves; nil if there is no listener.
func (w *World) listenerOf(t *target) (*listener, string) {
	port := t.port
	if port == "" && t.scheme != "" {
		port = map[string]string{"http": "80", "https": "443"}[t.scheme]
	}
	for i := range w.listeners {
		if l := &w.listeners[i]; port != "" && l.takesPort(port) && (t.scheme == "" || l.isSecure == (t.scheme == "https")) {
			return l, "takes port " + port
		}
	}
	for i := range w.listeners {
		if l := &w.listeners[i]; l.redirectHTTPS == "" && (t.scheme == "" || l.isSecure == (t.scheme == "https")) {
			return l, w.whyFirst(t, port, " and serves sites")
		}
	}
	for i := range w.listeners {
		if l := &w.listeners[i]; l.redirectHTTPS == "" {
			return l, "no listener takes " + t.scheme + "; the first that serves sites"
		}
	}
	if len(w.listeners) > 0 {
		return &w.listeners[0], "is the only one"
	}
	return nil, ""
}

func (w *World) whyFirst(t *target, port, serves string) string {
	why := "is the first that takes " + t.scheme + serves
	if t.scheme == "" {
		why = "is the first that serves sites"
	}
	if port != "" {
		why += "; none takes port " + port
	}
	return why
}

func (l *listener) takesPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	for _, a := range l.addresses {
		if err == nil && a.Unix == "" && a.First <= uint16(n) && uint16(n) <= a.Last {
			return true
		}
	}
	return false
}
