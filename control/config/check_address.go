package config

import (
	"cmp"
	"net/netip"
	"slices"
)

const portsMax = 1024 // of one range

// taken are the places where something listens, TCP's or UDP's, each with who does.
type taken map[place]holder

// holder is what listens at a place.
type holder struct {
	owner string // its path in the configuration
	use   string // what for, where that is not plain: "" or ", for HTTP/3,"
}

// place is where one socket listens: an address with a port, or a path.
type place struct {
	at   netip.AddrPort
	path string
}

// places are those of an address. Without a host it takes all of the machine's addresses, as [::] does.
func (a Address) places() (list []place) {
	if a.Unix != "" {
		return []place{{path: a.Unix}}
	}
	for _, at := range a.AddrPorts() {
		ip := at.Addr().Unmap()
		if !ip.IsValid() {
			ip = netip.IPv6Unspecified()
		}
		list = append(list, place{at: netip.AddrPortFrom(ip, at.Port())})
	}
	return list
}

// String is the form that the file takes.
func (p place) String() string {
	a := Address{Unix: p.path, IP: p.at.Addr(), First: p.at.Port(), Last: p.at.Port()}
	if a.IP == netip.IPv6Unspecified() {
		a.IP = netip.Addr{}
	}
	return a.String()
}

// checkAddresses finds addresses that two listeners want. One with a host and one without go together, such as 10.0.0.1:80 and :80: the system
// gives connections and datagrams to the more specific one.
func (r *reader) checkAddresses(path string, who holder, list []Address, by taken) (isFree bool) {
	isFree = true
	for _, a := range list {
		if a == (Address{}) {
			continue // reported already
		}
		if int(a.Last)-int(a.First) >= portsMax {
			r.wrong(path, "%v: a range has at most %d ports", a, portsMax)
			isFree = false
			continue
		}
		for _, p := range a.places() {
			if other, found := by[p]; found {
				r.wrong(path, "%v%s is taken by %s%s at %v", p, who.use, other.owner, other.use, r.at(other.owner))
				isFree = false
				break
			}
			by[p] = who
		}
	}
	return isFree
}

// checkAdminAddresses finds addresses of the admin server that a listener has too. It shares its ports with nobody: an address with a host and one
// without do not go together.
func (r *reader) checkAdminAddresses(path string, list []Address, by taken) {
	if !r.checkAddresses(path, holder{owner: "admin"}, list, by) {
		return
	}
	for _, a := range list {
		for _, p := range a.places() {
			if other, found := by.overlapping(p); found {
				owner := by[other].owner
				r.wrong(path, "%v overlaps with %v of %s at %v; the admin server needs a port of its own", p, other, owner, r.at(owner))
			}
		}
	}
}

// overlapping is the first place of a listener that overlaps with p and is another.
func (t taken) overlapping(p place) (first place, found bool) {
	var all []place
	for other, who := range t {
		if p != other && who.owner != "admin" && p.overlaps(other) {
			all = append(all, other)
		}
	}
	if len(all) == 0 {
		return place{}, false
	}
	return slices.MinFunc(all, func(a, b place) int { return cmp.Compare(a.String(), b.String()) }), true
}

// overlaps reports whether connections to p could be for the listener at other as well. A wildcard of IPv4 takes none of IPv6.
func (p place) overlaps(other place) bool {
	if p.path != "" || other.path != "" || p.at.Port() != other.at.Port() {
		return false
	}
	mine, others := p.at.Addr(), other.at.Addr()
	return mine.IsUnspecified() || others.IsUnspecified() && (others.Is6() || mine.Is4())
}
