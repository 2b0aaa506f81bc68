package snapshot

import (
	"net/netip"
	"reflect"
	"time"

	"github.com/weir-proxy/weir/control/certs/acme"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/wire/http1"
)

func (b *builder) listeners() {
	b.out.Listeners = make([]Listener, len(b.cfg.Listeners))
	for i := range b.cfg.Listeners {
		if l := &b.cfg.Listeners[i]; l.TLS != nil {
			b.out.Listeners[i].Store = b.store(l, &b.out.Listeners[i])
		}
	}
	b.checkAuthorities()
	b.out.Wanted = b.wanted()
	b.prints = mentions(reflect.ValueOf(b.cfg).Elem(), "ja4")
	for i := range b.cfg.Listeners {
		b.listener(&b.cfg.Listeners[i], &b.out.Listeners[i])
	}
}

func (b *builder) listener(l *config.Listener, out *Listener) {
	t := &l.Timeouts
	out.Name = l.Name
	out.Setup = &listener.Setup{Handshake: bounded(t.Handshake), Opening: bounded(t.Header), Drain: bounded(t.Drain)}
	if n := l.Limits.ConnectionsPerClient; n != config.ClientShareOff {
		out.Setup.PerClient, out.Setup.Connections = int(n), l.Limits.Connections
	}
	if p := l.ProxyProtocol; p != nil {
		out.Setup.Proxies = filter.NewNetworks(p.From)
	}
	if len(l.Allow)+len(l.Deny) > 0 {
		out.Setup.Access = access(l.Allow, l.Deny)
	}
	if l.IsHTTP() || l.Terminates() {
		out.Setup.HTTP = b.http(l)
	}
	switch {
	case l.Protocol == "udp":
		if out.Setup.Flow = b.flows(l); out.Setup.Flow != nil {
			out.Setup.Flow.Access = out.Setup.Access
		}
	case !l.IsHTTP():
		out.Setup.Tunnel = b.tunnels(l)
		out.Setup.Passes = l.Protocol == "tls"
		out.Setup.TakesPlain = l.Protocol == "tcp" && l.TLS != nil && l.TLS.Plaintext == "allow"
		b.talker(l, out)
	}
	if c := l.Capture; c != nil {
		out.Setup.Redirects, out.Transparent = c.Mode == "redirect", c.Mode == "tproxy"
	}
	b.setQUIC(out.Setup, l)
	if l.TLS != nil && l.Protocol != "ftp" {
		out.Setup.TLS = b.terms(l, out)
	}
	if b.forward(l) {
		return // no socket of weir's
	}
	for _, a := range l.Address {
		for _, one := range addresses(a) {
			one.IsDatagram = l.Protocol == "udp"
			out.Addresses = append(out.Addresses, one)
		}
	}
}

// http is what serves the requests of a listener.
func (b *builder) http(l *config.Listener) *exchange.Setup {
	t := &l.Timeouts
	http := &exchange.Setup{
		Listener:  l.Name,
		Sites:     b.out.Sites,
		Limits:    http1.Limits{Head: int(l.Limits.HeaderSize), Target: int(l.Limits.URLSize), Fields: l.Limits.HeaderCount},
		Secure:    l.TLS != nil,
		Trusted:   filter.NewNetworks(l.TrustedProxies),
		Source:    filter.Sources()[l.TrustedFields],
		Public:    PublicOf(l),
		Forwarded: filter.ForwardedModes()[l.Forwarded],
		Header:    bounded(t.Header), Body: bounded(t.Body), Send: bounded(t.Send), Idle: bounded(t.Idle), Drain: bounded(t.Drain),
		MaxRequests: l.Limits.Requests,
		HalfClosed:  l.HTTP.HalfClosed != "off",
		Pages:       errorPages(b.cfg.Defaults.ErrorPages),
		Log:         logFilter(&b.cfg.Logs.Access),
	}
	setVersions(http, l)
	if n := l.Limits.Connections; n > 0 {
		http.MaxClients = perLoop(n, b.loops)
	}
	if l.Redirect == "https" {
		http.RedirectHTTPS = SecurePort(b.cfg, l)
	}
	if l.Capture != nil {
		http.CapturedAt = l.Address[0].First
	}
	if l.TLS == nil && b.out.Wanted.ACME != nil {
		http.Challenge = acme.HTTPAnswer
	}
	http.Policies = b.policies(l)
	return http
}

// forEver stands for "off": the engine knows no wait without a deadline.
const forEver = 365 * 24 * time.Hour

func bounded(d config.Duration) time.Duration {
	if d.Std() <= 0 {
		return forEver
	}
	return d.Std()
}

func addresses(a config.Address) []engine.Address {
	if a.Unix != "" {
		return []engine.Address{{Path: a.Unix}}
	}
	var list []engine.Address
	for _, ap := range a.AddrPorts() {
		if !ap.Addr().IsValid() {
			ap = netip.AddrPortFrom(netip.IPv6Unspecified(), ap.Port())
		}
		list = append(list, engine.Address{IP: ap})
	}
	return list
}
