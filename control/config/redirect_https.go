package config

import (
	"slices"
	"strings"
)

// toHTTPS is what the word https stands for as the target of a redirect.
const toHTTPS = "https://{host}{uri}"

// IsToHTTPS reports whether r leads to the same URL by https. Its route takes only clients in clear text: others would be sent to where they are.
func (r *Redirect) IsToHTTPS() bool { return r != nil && (r.To == "https" || r.To == toHTTPS) }

// warnOfHTTPS warns of routes that lead to the same URL by https, where no client comes in clear text, or no other route takes those that come back.
func (r *reader) warnOfHTTPS(cfg *Config) {
	comesInClear := slices.ContainsFunc(cfg.Listeners, Listener.servesClear)
	comesByHTTPS := slices.ContainsFunc(cfg.Listeners, Listener.servesHTTPS)
	for i := range cfg.Sites {
		routes := cfg.Sites[i].Routes
		for k := range min(len(routes), 1000) { // each is compared with each
			to := &routes[k]
			switch at := to.Key + ".redirect"; {
			case !to.Redirect.IsToHTTPS():
			case !comesInClear:
				r.warn(r.at(at), at, "takes only clients in clear text, and there are none: every listener takes https, or redirects to it")
			case comesByHTTPS && !isTakenByHTTPS(routes, to.Path):
				r.warn(r.at(at), at, "no other route takes all of %q: what is sent to https gets 404 there; write a route for it, or `redirect: https` on the listener in place of this one", to.Path)
			}
		}
	}
}

// isTakenByHTTPS reports whether a route takes every client's requests for the path, by https too.
func isTakenByHTTPS(routes []Route, path string) bool {
	return slices.ContainsFunc(routes, func(by Route) bool { return !by.Redirect.IsToHTTPS() && pathCovers(by.Path, path) })
}

// servesClear reports whether requests in clear text may come to the routes by l; a trusted proxy may tell of such.
func (l Listener) servesClear() bool {
	return l.IsHTTP() && (len(l.TrustedProxies) > 0 || l.TLS == nil && l.Redirect == "" && !strings.HasPrefix(l.PublicURL, "https:"))
}

// servesHTTPS reports whether requests by https come to the routes by l.
func (l Listener) servesHTTPS() bool {
	return l.IsHTTP() && (l.TLS != nil || strings.HasPrefix(l.PublicURL, "https:")) || l.Terminates()
}
