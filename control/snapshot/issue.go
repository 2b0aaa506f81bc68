package snapshot

import (
	"crypto/x509"
	"slices"
	"strings"

	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/certs/acme"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
)

// wanted is what certificates weir gets by itself: for the sites' names that none was given for.
func (b *builder) wanted() certs.Wanted {
	w := certs.Wanted{Data: b.cfg.Data, TLS: b.speaksTLS()}
	if w.TLS {
		w.ECH = PublicName(b.cfg)
	}
	a := b.cfg.TLS.ACME
	for _, name := range b.namesWithout() {
		switch {
		case certs.IsInternal(name):
			if !strings.HasPrefix(name, "*.") {
				w.Internal = append(w.Internal, name)
			}
		case a != nil && !a.Off && (a.DNS != nil || !strings.HasPrefix(name, "*.")):
			w.Public = append(w.Public, name)
		case a != nil && !a.Off:
			b.warn(config.SitePath(name), "a certificate for all names below needs the challenge dns: until tls.acme.dns or a certificate is given, weir's own authority issues it")
		case b.isUnread: // the name may be in the file that is complained of already
		default:
			b.warn(config.SitePath(name), "no certificate is for this name, and tls.acme is off: clients get one of weir's own authority, which browsers do not trust")
		}
	}
	if a == nil || a.Off {
		return w
	}
	for _, n := range a.Names {
		if !slices.Contains(w.Public, n) {
			w.Public = append(w.Public, n)
		}
	}
	if a.OnDemand != nil {
		w.OnDemand = &certs.OnDemand{Ask: a.OnDemand.Ask}
	}
	if len(w.Public) > 0 || w.OnDemand != nil {
		w.ACME, w.Settings = b.acme(a), a
	}
	return w
}

// namesWithout are the sites' names, the wildcards among them, that certificates can be for and no file is.
func (b *builder) namesWithout() (names []string) {
	if !b.speaksTLS() {
		return nil
	}
	for i := range b.cfg.Sites {
		name := b.cfg.Sites[i].Name
		if strings.Contains(strings.TrimPrefix(name, "*."), "*") {
			continue
		}
		name = strings.Trim(name, "[]")
		isCovered := slices.ContainsFunc(b.out.Stores, func(s *certs.Store) bool { return s.Covers(name) })
		if !isCovered {
			names = append(names, name)
		}
	}
	return names
}

// speaksTLS reports whether a listener ends TLS: without one no certificate is of use, and no key is made.
func (b *builder) speaksTLS() bool {
	return slices.ContainsFunc(b.cfg.Listeners, func(l config.Listener) bool { return l.TLS != nil })
}

func (b *builder) acme(a *config.ACME) *acme.Config {
	c := &acme.Config{Email: a.Email, CAs: a.CA, Challenges: a.Challenge, Profile: a.Profile, Check: a.Check.Std()}
	if a.EAB != nil {
		c.EAB = &acme.EAB{KeyID: a.EAB.KeyID, Key: a.EAB.Key.Value}
	}
	if d := a.DNS; d != nil {
		c.DNS = &acme.DNS{Provider: d.Provider, Server: d.Server, KeyName: d.KeyName, Key: d.Key.Value, Algorithm: d.Algorithm, Token: d.Token.Value,
			User: d.User, Password: d.Password.Value, Subdomain: d.Subdomain, Command: d.Command, Resolvers: d.Resolvers, Override: d.Override,
			Delay: d.Delay.Std()}
	}
	for _, file := range a.Roots {
		if c.Roots == nil {
			c.Roots = x509.NewCertPool()
		}
		text, err := textfile.Certificates(file)
		if err != nil {
			b.warn("tls.acme.roots", err.Error()+"; the authorities' servers will not be trusted")
		}
		c.Roots.AppendCertsFromPEM(text)
	}
	return c
}

// PublicName is what eavesdroppers see of connections with Encrypted Client Hello; "" where it is not offered.
func PublicName(cfg *config.Config) string {
	if e := cfg.TLS.ECH; e != nil && (e.Off || e.PublicName != "") {
		return e.PublicName
	}
	for i := range cfg.Sites {
		if name := cfg.Sites[i].Name; !strings.Contains(name, "*") && !certs.IsInternal(strings.Trim(name, "[]")) {
			return name
		}
	}
	return ""
}
