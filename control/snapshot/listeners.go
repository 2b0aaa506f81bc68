package snapshot

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/wire/http1"
)

func (b *builder) listeners() {
	secure := b.securePort()
	for i := range b.cfg.Listeners {
		b.listener(&b.cfg.Listeners[i], secure)
	}
}

// securePort is the port that a redirect to https leads to.
func (b *builder) securePort() string {
	for i := range b.cfg.Listeners {
		l := &b.cfg.Listeners[i]
		if l.TLS == nil {
			continue
		}
		for _, a := range l.Address {
			if a.Unix == "" {
				return strconv.Itoa(int(a.First))
			}
		}
	}
	return "443"
}

func (b *builder) listener(l *config.Listener, securePort string) {
	path := "listeners." + l.Name
	t := &l.Timeouts
	http := &exchange.Setup{
		Listener:  l.Name,
		Sites:     b.out.Sites,
		Limits:    http1.Limits{Head: int(l.Limits.HeaderSize), Target: int(l.Limits.URLSize), Fields: l.Limits.HeaderCount},
		Secure:    l.TLS != nil,
		Trusted:   filter.NewNetworks(l.TrustedProxies),
		Forwarded: filter.ForwardedModes()[l.Forwarded],
		Header:    bounded(t.Header), Body: bounded(t.Body), Send: bounded(t.Send), Idle: bounded(t.Idle), Drain: bounded(t.Drain),
		MaxRequests: l.Limits.Requests,
		Pages:       errorPages(b.cfg.Defaults.ErrorPages),
		Log:         logFilter(&b.cfg.Logs.Access),
	}
	if n := l.Limits.Connections; n > 0 {
		http.MaxClients = perLoop(n, b.loops)
	}
	if l.Redirect == "https" {
		http.RedirectHTTPS = securePort
	}
	out := Listener{Name: l.Name, Setup: &listener.Setup{HTTP: http, Handshake: bounded(t.Handshake)}}
	if l.TLS != nil {
		if a := l.TLS.ClientAuth; a != nil {
			b.out.files[path] = fingerprintOf(a.CA...)
		}
		if out.Setup.TLS = b.keptTLS(l, &out); out.Setup.TLS == nil {
			out.Setup.TLS = b.serverTLS(l, path)
		}
	}
	if l.TLS != nil && len(b.out.Stores) > 0 {
		out.Store = b.out.Stores[len(b.out.Stores)-1]
	}
	for _, a := range l.Address {
		out.Addresses = append(out.Addresses, addresses(a)...)
	}
	b.out.Listeners = append(b.out.Listeners, out)
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

// keptTLS is the running TLS of a listener that asks for the same, so that a reload keeps its session tickets valid; nil if
// there is none. Certificates in changed files are read again by the store itself.
func (b *builder) keptTLS(l *config.Listener, out *Listener) *tls.Config {
	if b.previous == nil || !reflect.DeepEqual(b.previous.Config.TLS, b.cfg.TLS) {
		return nil
	}
	for i := range b.previous.Config.Listeners {
		was := &b.previous.Config.Listeners[i]
		if was.Name != l.Name || !reflect.DeepEqual(was.TLS, l.TLS) || !b.sameFiles("listeners."+l.Name) {
			continue
		}
		store := b.previous.Listeners[i].Store
		renewed, problems := store.Stale()
		if len(problems) > 0 {
			return nil
		}
		out.Renewed = renewed
		b.out.Stores = append(b.out.Stores, store)
		return b.previous.Listeners[i].Setup.TLS
	}
	return nil
}

// serverTLS is how a listener's clients are met.
func (b *builder) serverTLS(l *config.Listener, path string) *tls.Config {
	var pairs []certs.Pair
	for i := range l.TLS.Certificates {
		c := &l.TLS.Certificates[i]
		pairs = append(pairs, certs.Pair{Cert: c.Cert, Key: keyFile(c)})
	}
	if len(pairs) == 0 {
		b.refuse(path+".tls", "there is no certificate; give certificates here or under the top-level tls")
		return nil
	}
	store, problems := certs.Open(pairs)
	for _, p := range problems {
		b.refuse(path+".tls.certificates["+strconv.Itoa(p.Pair)+"]", p.Error())
	}
	b.out.Stores = append(b.out.Stores, store)
	c := &tls.Config{GetCertificate: store.Get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		DynamicRecordSizingDisabled: true}
	if l.TLS.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	if a := l.TLS.ClientAuth; a != nil {
		c.ClientCAs = x509.NewCertPool()
		for i, file := range a.CA {
			b.addCA(c.ClientCAs, file, fmt.Sprintf("%s.tls.client_auth.ca[%d]", path, i))
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
		if a.Verify == "optional" {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	return c
}
