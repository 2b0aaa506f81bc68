package config

import (
	"net/url"
	"strings"
)

func (r *reader) checkListeners(cfg *Config) {
	tcp, udp := taken{}, taken{}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		path := joinPath("listeners", l.Name)
		if address := joinPath(path, "address"); l.Protocol == "udp" {
			r.checkAddresses(address, holder{owner: path}, l.Address, udp)
		} else {
			isFree := r.checkAddresses(address, holder{owner: path}, l.Address, tcp)
			if isFree && l.SpeaksHTTP3() {
				r.checkAddresses(address, holder{path, ", for HTTP/3 over UDP,"}, l.Address, udp)
			}
		}
		r.checkListenerTLS(path, l)
		r.checkCapture(joinPath(path, "capture"), l)
		r.checkProtocol(path, l)
		r.checkAnnounced(path, l)
		r.checkPublicURL(joinPath(path, "public_url"), l.PublicURL)
	}
	if p := cfg.Pool(Original); p != nil && p.IsOriginal() && !cfg.captures() {
		r.wrongKey(joinPath("pools", Original), "a pool of this name goes where clients wanted to go, and no listener has capture; give it servers, or a listener capture")
	}
	r.checkTransferPorts(cfg, tcp)
	r.checkAdmin(&cfg.Admin, tcp)
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
