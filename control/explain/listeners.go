package explain

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/control/config"
)

// taker is the addresses at which a listener takes connections.
type taker struct {
	name      string
	addresses []config.Address
	captures  bool // connections to any address come to it
}

func takerOf(l *config.Listener) taker { return taker{l.Name, l.Address, l.Capture != nil} }

// fit says how well an address of a listener is the one that a client connects to.
type fit uint8

const (
	noFit     fit = iota // another port
	elsewhere            // the port, of another address
	anywhere             // the port of every address, or the client's address is not known
	exactly
)

// fits says how well the listener takes connections to a port of an address; an address that is not valid is not known.
func (t *taker) fits(at netip.Addr, port string) (best fit) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return noFit
	}
	for _, a := range t.addresses {
		if a.Unix == "" && a.First <= uint16(n) && uint16(n) <= a.Last {
			best = max(best, t.fitsAddress(a.IP, at))
		}
	}
	return best
}

func (t *taker) fitsAddress(own, at netip.Addr) fit {
	switch own = own.Unmap(); {
	case !at.IsValid():
		return anywhere
	case own == at:
		return exactly
	case t.captures, !own.IsValid(), own.IsUnspecified() && (own.Is6() || at.Is4()):
		return anywhere
	}
	return elsewhere
}

// chosen is the taker that takes connections to a port of an address, and why: the one with that address, else one that takes all, else the first. It is -1 if none
// takes the port.
func chosen(takers []*taker, at netip.Addr, port string) (index int, best fit, why string) {
	index = -1
	var others []string
	for i, t := range takers {
		switch f := t.fits(at, port); {
		case f == noFit:
		case f > best:
			if index >= 0 {
				others = append(others, takers[index].name)
			}
			index, best = i, f
		default:
			others = append(others, t.name)
		}
	}
	return index, best, whyChosen(at, port, best, others)
}

// whyChosen says why a listener takes a port of an address, and not the others that take the port.
func whyChosen(at netip.Addr, port string, best fit, others []string) string {
	switch {
	case best == elsewhere && len(others) == 0:
		return fmt.Sprintf("takes port %s, but not of %v", port, at)
	case best == elsewhere:
		return fmt.Sprintf("is the first that takes port %s; none takes it of %v", port, at)
	case best == exactly && len(others) > 0:
		return fmt.Sprintf("takes port %s of %v", port, at)
	case !at.IsValid() && len(others) > 0:
		return fmt.Sprintf("is the first that takes port %s (also: %s); an IP address in the URL, or as what the client wanted to reach, chooses among them", port, strings.Join(others, ", "))
	}
	return "takes port " + port
}

// reached is the address that the client of a question connects to: the one that it wanted to go to, or the one in the URL; not valid where that has a name.
func reached(host string, to netip.AddrPort) netip.Addr {
	if to.IsValid() {
		return to.Addr().Unmap().WithZone("")
	}
	name, _ := splitHost([]byte(host))
	a, _ := netip.ParseAddr(strings.Trim(string(name), "[]"))
	return a.Unmap().WithZone("")
}

// listenerOf is the listener that takes a URL, and why: the one with its port and scheme, and of several the one with its address. Where a configuration has none, as
// behind another proxy that ends TLS, the first that serves; nil if there is no listener.
func (w *World) listenerOf(t *target, to netip.AddrPort) (*listener, string) {
	serving := w.serving(t)
	at, port := reached(t.host, to), t.portOrDefault()
	if l, _, why := bestOf(serving, t, at, portTo(t, to)); l != nil {
		return l, why
	}
	if l, _, why := bestOf(serving, t, at, port); l != nil {
		return l, why
	}
	for _, l := range serving {
		if l.redirectHTTPS == "" && l.takesScheme(t) {
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

// portTo is the port that the client wanted to go to, where the URL has none; "" where it does not matter.
func portTo(t *target, to netip.AddrPort) string {
	if !to.IsValid() || t.port != "" {
		return ""
	}
	return strconv.Itoa(int(to.Port()))
}

// serving is the listeners that serve the name of the URL.
func (w *World) serving(t *target) (list []*listener) {
	for i := range w.listeners {
		if l := &w.listeners[i]; l.servesName(t) {
			list = append(list, l)
		}
	}
	return list
}

// bestOf is the listener that takes the port, with the URL's scheme; nil if there is none.
func bestOf(serving []*listener, t *target, at netip.Addr, port string) (*listener, fit, string) {
	var takers []*taker
	var list []*listener
	for _, l := range serving {
		if l.takesScheme(t) {
			list, takers = append(list, l), append(takers, &l.taker)
		}
	}
	i, best, why := chosen(takers, at, port)
	if i < 0 {
		return nil, noFit, ""
	}
	if list[i].passthrough != nil {
		why += ", and terminates TLS for this name"
	}
	return list[i], best, why
}

func (l *listener) takesScheme(t *target) bool {
	return t.scheme == "" || l.isSecure == (t.scheme == "https")
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

// layer4Listener is the listener of that protocol that takes a port of an address, how well, and why; nil if there is none.
func (w *World) layer4Listener(protocol, port string, at netip.Addr) (*config.Listener, fit, string) {
	var takers []*taker
	var list []*config.Listener
	for i := range w.cfg.Listeners {
		if l := &w.cfg.Listeners[i]; l.Protocol == protocol {
			t := takerOf(l)
			list, takers = append(list, l), append(takers, &t)
		}
	}
	i, best, why := chosen(takers, at, port)
	if i < 0 {
		return nil, noFit, ""
	}
	return list[i], best, why
}

// passed is the question about the TLS connection of an https URL: where a listener of protocol tls takes its port, and carries the name to a
// pool; nil where requests are served.
func (w *World) passed(t *target, r *Request) *Request {
	at, port := reached(t.host, r.To), t.portOrDefault()
	l, how, _ := w.layer4Listener("tls", port, at)
	if t.scheme != "https" || l == nil {
		return nil
	}
	host, _ := splitHost([]byte(t.host))
	if s := passthroughOf(l, string(host)); s != nil && s.Terminate {
		return nil
	}
	if _, better, _ := bestOf(w.serving(t), t, at, port); better > how {
		return nil
	}
	return &Request{URL: "tls://" + string(host) + ":" + port, Client: r.Client, To: r.To}
}
