package config

import (
	"slices"
	"strings"
)

// checkTLS looks for clients that get in without the certificate that is required, and warns of TLS that is configured and that no client can use.
func (r *reader) checkTLS(cfg *Config) {
	for i := range cfg.Listeners {
		r.checkPlaintext(&cfg.Listeners[i])
	}
	r.warnNoTLS(cfg)
	r.warnNobodyAsks(cfg)
	r.warnOtherListeners(cfg)
	r.warnRedirects(cfg)
	r.warnOfHTTPS(cfg)
}

// checkPlaintext refuses a certificate that is required of those clients alone that speak TLS.
func (r *reader) checkPlaintext(l *Listener) {
	if t := l.TLS; t != nil && (l.Protocol == "tcp" || l.Protocol == "ftp") && t.Plaintext == "allow" && t.ClientAuth.Asks() && t.ClientAuth.Verify != "optional" {
		path := joinPath("listeners", l.Name) + ".tls"
		r.wrong(path, "plaintext: allow lets in clients without the certificate that client_auth requires; use plaintext: refuse, client_auth: off or verify: optional")
	}
}

// warnNoTLS warns of certificates without a listener for them, and of a listener that was meant to have TLS by its name or port.
func (r *reader) warnNoTLS(cfg *Config) {
	found := false
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if !l.IsHTTP() || l.TLS != nil || l.PublicURL != "" || l.Redirect != "" || len(l.TrustedProxies) > 0 || l.ProxyProtocol != nil || l.Capture != nil {
			continue
		}
		if path := joinPath("listeners", l.Name); l.Name == "https" || l.takesPort(443) {
			found = true
			r.warn(r.at(path), path, "serves clear text, which clients that use https cannot read; add `tls: on`, or `public_url` if something in front of weir ends TLS")
		}
	}
	if found || slices.ContainsFunc(cfg.Listeners, func(l Listener) bool { return l.TLS != nil }) {
		return
	}
	if len(cfg.TLS.Certificates) > 0 {
		r.warn(r.at("tls.certificates"), "tls.certificates", "has no effect: no listener has TLS; add `tls: on` to one")
	} else if a := cfg.TLS.ACME; a != nil && !a.Off && r.isWritten("tls.acme") {
		r.warn(r.at("tls.acme"), "tls.acme", "has no effect: no listener has TLS; add `tls: on` to one")
	}
}

// warnNobodyAsks warns of what sites ask of their clients' connections, where no listener can have such connections: all requests are answered with 421.
func (r *reader) warnNobodyAsks(cfg *Config) {
	servesSites := func(l *Listener) bool { return l.IsHTTP() || l.Terminates() }
	endsTLS := slices.ContainsFunc(cfg.Listeners, func(l Listener) bool { return l.TLS != nil && servesSites(&l) })
	top := cfg.TLS.ClientAuth
	asksTop := slices.ContainsFunc(cfg.Listeners, func(l Listener) bool {
		return l.TLS != nil && l.TLS.ClientAuth == top && (servesSites(&l) || len(cfg.Sites) == 0)
	})
	if top.Asks() && !asksTop {
		r.warn(r.at("tls.client_auth"), "tls.client_auth", "no listener asks clients for this certificate: none has TLS, or each that has says otherwise; requests in clear text are answered with 421")
	}
	if endsTLS {
		r.warnNothingInClear(cfg)
		return
	}
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if s.TLS == nil || s.TLS.MinVersion == "" && !s.TLS.ClientAuth.Asks() {
			continue
		}
		path := joinPath("sites", s.Name) + ".tls"
		r.warn(r.at(path), path, "no listener has TLS: all requests for this site are answered with 421")
	}
}

// warnNothingInClear warns of a listener in clear text that no site is served on.
func (r *reader) warnNothingInClear(cfg *Config) {
	isServed := func(s Site) bool {
		if s.TLS == nil {
			return !cfg.TLS.ClientAuth.Asks()
		}
		auth := s.TLS.ClientAuth
		if auth == nil {
			auth = cfg.TLS.ClientAuth
		}
		return s.TLS.MinVersion == "" && !auth.Asks()
	}
	if len(cfg.Sites) == 0 || slices.ContainsFunc(cfg.Sites, isServed) {
		return
	}
	for i := range cfg.Listeners {
		if l := &cfg.Listeners[i]; l.IsHTTP() && l.TLS == nil && l.Redirect == "" {
			path := joinPath("listeners", l.Name)
			r.warn(r.at(path), path, "serves clear text, and every site asks for TLS or a certificate: all requests are answered with 421; `redirect: https` sends clients on")
		}
	}
}

// warnOtherListeners warns of sites that clients reach in clear text by one listener, without the certificate that another one asks for.
func (r *reader) warnOtherListeners(cfg *Config) {
	if cfg.TLS.ClientAuth.Asks() || !slices.ContainsFunc(cfg.Sites, func(s Site) bool { return s.TLS == nil || s.TLS.ClientAuth == nil }) {
		return
	}
	clear := slices.IndexFunc(cfg.Listeners, func(l Listener) bool {
		return l.IsHTTP() && l.TLS == nil && l.Redirect == "" && len(l.Allow) == 0 && slices.ContainsFunc(l.Address, isReachable)
	})
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if path := joinPath("listeners", l.Name) + ".tls.client_auth"; clear >= 0 && (l.IsHTTP() || l.Terminates()) && l.TLS != nil && l.TLS.ClientAuth.Asks() {
			r.warn(r.at(path), path, "is for this listener alone, and listener %s serves the same sites in clear text, without a certificate; under the top-level tls it is for all listeners", cfg.Listeners[clear].Name)
		}
	}
}

// isReachable reports whether other machines can come by the address.
func isReachable(a Address) bool { return a.Unix == "" && !a.IP.IsLoopback() }

// warnRedirects warns of redirects to https where nothing is known to take it.
func (r *reader) warnRedirects(cfg *Config) {
	takesHTTPS := slices.ContainsFunc(cfg.Listeners, func(l Listener) bool {
		return l.IsHTTP() && l.TLS != nil || l.Protocol == "tls" || l.Protocol == "tcp" && l.takesPort(443) || strings.HasPrefix(l.PublicURL, "https:")
	})
	if takesHTTPS {
		return
	}
	mayBeBehindTLS := func(l Listener) bool { return len(l.TrustedProxies) > 0 }
	const message = "no listener takes https: clients are sent where nobody answers; add `tls: on` to one, or say with `public_url` or `trusted_proxies` that something in front of weir ends TLS"
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if path := joinPath("listeners", l.Name) + ".redirect"; l.Redirect == "https" && !mayBeBehindTLS(*l) {
			r.warn(r.at(path), path, message)
		}
	}
	if slices.ContainsFunc(cfg.Listeners, mayBeBehindTLS) {
		return
	}
	for i := range cfg.Sites {
		for k := range cfg.Sites[i].Routes {
			if route := &cfg.Sites[i].Routes[k]; route.Redirect.IsToHTTPS() {
				r.warn(r.at(route.Key+".redirect"), route.Key+".redirect", message)
			}
		}
	}
}

func (l *Listener) takesPort(port uint16) bool {
	return slices.ContainsFunc(l.Address, func(a Address) bool { return a.Unix == "" && a.First <= port && port <= a.Last })
}
