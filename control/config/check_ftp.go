package config

import (
	"cmp"
	"net/netip"
	"slices"
)

// checkTransferPorts finds ports for FTP's data connections that something else listens on, and ranges that two listeners have. A transfer takes a port of the listener's own
// address, so that listeners of different addresses may have the same ports.
func (r *reader) checkTransferPorts(cfg *Config, tcp taken) {
	var with []*Listener
	for i := range cfg.Listeners {
		if l := &cfg.Listeners[i]; l.Protocol == "ftp" && l.FTP.Ports != nil {
			with = append(with, l)
		}
	}
	for i, l := range with {
		path := joinPath(joinPath("listeners", l.Name), "ftp") + ".ports"
		if at, found := tcp.within(l); found {
			owner := tcp[at].owner
			r.wrong(path, "%v has the port of %v, on which %s at %v listens; it could not be opened while a transfer has the port", l.FTP.Ports, at, owner, r.at(owner))
		}
		for _, other := range with[:i] {
			if l.FTP.Ports.First <= other.FTP.Ports.Last && other.FTP.Ports.First <= l.FTP.Ports.Last && sharesAddress(l, other) {
				r.warn(r.at(path), path, "%v overlaps with the ports %v of listener %s: transfers of both take them, and each listener has fewer", l.FTP.Ports, other.FTP.Ports, other.Name)
			}
		}
	}
}

// within is the first place in the range of the listener's ports, at an address that transfers use.
func (t taken) within(l *Listener) (first place, found bool) {
	var all []place
	for p := range t {
		port := p.at.Port()
		if p.path != "" || port < l.FTP.Ports.First || port > l.FTP.Ports.Last {
			continue
		}
		for _, a := range l.Address {
			for _, own := range a.places() {
				if own.path == "" && own.withPort(port).sharesWith(p) {
					all = append(all, p)
				}
			}
		}
	}
	if len(all) == 0 {
		return place{}, false
	}
	return slices.MinFunc(all, func(a, b place) int { return cmp.Compare(a.String(), b.String()) }), true
}

// sharesAddress reports whether clients of two listeners may come to one address of this machine.
func sharesAddress(a, b *Listener) bool {
	for _, mine := range a.Address {
		for _, others := range b.Address {
			for _, p := range mine.places()[:1] {
				for _, o := range others.places()[:1] {
					if p.path == "" && o.path == "" && p.withPort(1).sharesWith(o.withPort(1)) {
						return true
					}
				}
			}
		}
	}
	return false
}

func (p place) withPort(port uint16) place {
	p.at = netip.AddrPortFrom(p.at.Addr(), port)
	return p
}

// sharesWith reports whether both places are one, or one takes connections of the other.
func (p place) sharesWith(other place) bool {
	return p == other || p.overlaps(other) || other.overlaps(p)
}
