package config

import (
	"net/url"
	"strings"
)

const portsMax = 1024 // of one range

func (r *reader) checkListeners(cfg *Config) {
	taken := map[string]string{}
	takenBy := map[bool]map[string]string{false: taken, true: {}} // UDP has ports of its own
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		path := joinPath("listeners", l.Name)
		r.checkAddresses(joinPath(path, "address"), path, l.Address, takenBy[l.Protocol == "udp"])
		r.checkListenerTLS(path, l)
		r.checkCapture(joinPath(path, "capture"), l)
		r.checkProtocol(path, l)
		r.checkAnnounced(path, l)
		r.checkPublicURL(joinPath(path, "public_url"), l.PublicURL)
	}
	if p := cfg.Pool(Original); p != nil && p.IsOriginal() && !cfg.captures() {
		r.wrongKey(joinPath("pools", Original), "a pool of this name goes where clients wanted to go, and no listener has capture; give it servers, or a listener capture")
	}
	r.checkAdmin(&cfg.Admin, taken)
}

func (r *reader) checkPublicURL(path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || !isHostName(strings.ToLower(hostOf(u.Host))) {
		r.wrong(path, "want scheme, host and maybe a port, like https://app.example.com:8443, not %q", text)
	}
}

// checkAddresses finds addresses that two listeners want.
func (r *reader) checkAddresses(path, owner string, list []Address, taken map[string]string) {
	for _, a := range list {
		if a == (Address{}) {
			continue // reported already
		}
		if int(a.Last)-int(a.First) >= portsMax {
			r.wrong(path, "%v: a range has at most %d ports", a, portsMax)
			continue
		}
		names := []string{a.String()}
		for i, ap := range a.AddrPorts() {
			single := Address{IP: ap.Addr(), First: ap.Port(), Last: ap.Port()}
			names = append(names[:i], single.String())
		}
		for _, name := range names {
			if other, found := taken[name]; found {
				r.wrong(path, "%s is taken by %s at %v", name, other, r.at(other))
				break
			}
			taken[name] = owner
		}
	}
}

func (r *reader) checkListenerTLS(path string, l *Listener) {
	switch {
	case l.TLS == nil && l.Terminates():
		r.wrong(joinPath(path, "sites"), "to end TLS for a name, the listener needs tls with a certificate")
	case l.TLS == nil:
	case l.Redirect != "":
		r.wrong(joinPath(path, "redirect"), "a listener with tls is https already and would redirect to itself")
	case l.TLS.ACME != nil:
		r.wrong(joinPath(path, "tls")+".acme", "certificates are obtained for all listeners alike; write it under the top-level tls")
	case l.TLS.ECH != nil:
		r.wrong(joinPath(path, "tls")+".ech", "the keys are the same for all listeners; write it under the top-level tls")
	}
}
