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
		name: l.Name, addresses: l.Address, isSecure: l.TLS != nil, trusted: filter.NewNetworks(l.TrustedProxies),
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

// listenerOf is the listener that takes a URL, and why: the one with its port and scheme. Where a configuration has none, as behind
// another proxy that ends TLS, the first that serves; nil if there is no listener.
func (w *World) listenerOf(t *target) (*listener, string) {
	port := t.portOrDefault()
	var serving []*listener // those that serve the name of the URL
	for i := range w.listeners {
		if l := &w.listeners[i]; l.servesName(t) {
			serving = append(serving, l)
		}
	}
	for _, l := range serving {
		if port != "" && l.takesPort(port) && (t.scheme == "" || l.isSecure == (t.scheme == "https")) {
			return l, l.whyTaken(port)
		}
	}
	for _, l := range serving {
		if l.redirectHTTPS == "" && (t.scheme == "" || l.isSecure == (t.scheme == "https")) {
			return l, w.whyFirst(t, port, " and serves sites")
		}
	}
	for _, l := range serving {
		if l.redirectHTTPS == "" {
			return l, "no listener takes " + t.scheme + "; the first that serves sites"
		}
	}
	if len(serving) > 0 {
		return serving[0], "is the only one"
	}
	return nil, ""
}

// servesName reports whether requests for the URL's name are served: a listener of protocol tls does so where it terminates TLS for the name.
func (l *listener) servesName(t *target) bool {
	if l.passthrough == nil {
		return true
	}
	host, _ := splitHost([]byte(t.host))
	s := passthroughOf(l.passthrough, string(host))
	return s != nil && s.Terminate
}

func (l *listener) whyTaken(port string) string {
	if l.passthrough != nil {
		return "takes port " + port + ", and terminates TLS for this name"
	}
	return "takes port " + port
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
