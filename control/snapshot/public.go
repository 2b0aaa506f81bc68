package snapshot

import (
	"net/url"
	"strconv"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/filter"
)

// PublicOf is how clients reach a listener, where it says so.
func PublicOf(l *config.Listener) (p exchange.Public) {
	if u, err := url.Parse(l.PublicURL); err == nil && l.PublicURL != "" {
		p = exchange.Public{Scheme: u.Scheme, Authority: []byte(u.Host)}
		p.Host, p.Port, _ = filter.SplitAuthority(p.Authority)
	}
	return p
}

// publicPort is the port by which clients reach a listener of TLS; "" if it has none.
func publicPort(l *config.Listener) string {
	switch u, err := url.Parse(l.PublicURL); {
	case l.PublicPort > 0:
		return strconv.Itoa(l.PublicPort)
	case err != nil || l.PublicURL == "":
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	for _, a := range l.Address {
		if a.Unix == "" {
			return strconv.Itoa(int(a.First))
		}
	}
	return ""
}

// SecurePort is the port that a redirect to https by l leads to: that of the listener itself where it is reached by https, or of the first one with TLS, or else that passes TLS on.
func SecurePort(cfg *config.Config, l *config.Listener) string {
	if p := PublicOf(l); p.Scheme == "https" {
		return publicPort(l)
	}
	for _, takesHTTPS := range []func(*config.Listener) bool{
		func(l *config.Listener) bool { return l.TLS != nil && l.IsHTTP() },
		func(l *config.Listener) bool { return l.Protocol == "tls" },
	} {
		for i := range cfg.Listeners {
			if l := &cfg.Listeners[i]; takesHTTPS(l) {
				if port := publicPort(l); port != "" {
					return port
				}
			}
		}
	}
	return "443"
}
