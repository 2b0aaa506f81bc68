package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// socketPathMax is the longest path of a Unix socket, in bytes.
const socketPathMax = 107

// Address is where a listener listens: an IP address and a range of ports, or a socket in the file system.
type Address struct {
	// IP is the local address; invalid means all IPv4 and IPv6 addresses.
	IP netip.Addr

	// First and Last are the ports, equal for a single one.
	First, Last uint16

	// Unix is the path of a socket in the file system; IP and ports are unset then.
	Unix string
}

// AddrPorts returns one address for each port of the range, none for a socket in the file system.
func (a Address) AddrPorts() []netip.AddrPort {
	if a.Unix != "" {
		return nil
	}
	list := make([]netip.AddrPort, 0, int(a.Last-a.First)+1)
	for port := int(a.First); port <= int(a.Last); port++ {
		list = append(list, netip.AddrPortFrom(a.IP, uint16(port)))
	}
	return list
}

// String is the form that the file takes.
func (a Address) String() string {
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	host := ""
	if a.IP.Is6() {
		host = "[" + a.IP.String() + "]"
	} else if a.IP.IsValid() {
		host = a.IP.String()
	}
	ports := strconv.Itoa(int(a.First))
	if a.Last != a.First {
		ports += "-" + strconv.Itoa(int(a.Last))
	}
	return host + ":" + ports
}

// FromText takes `:443`, `443`, `10.0.0.1:443`, `[::1]:443`, `localhost:443`, port ranges and `unix:/path`.
func (a *Address) FromText(text string) (err error) {
	*a = Address{}
	if path, found := strings.CutPrefix(text, "unix:"); found {
		if path == "" || len(path) > socketPathMax {
			return problemf("%q: a socket's path has 1 to %d bytes", text, socketPathMax)
		}
		a.Unix = path
		return nil
	}
	host, ports := "", text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, ports = text[:i], text[i+1:]
	}
	if a.First, a.Last, err = parsePorts(ports); err != nil {
		return problemf("%q is no address to listen on; write it like :443, 10.0.0.1:443, [::1]:443 or unix:/run/weir.sock", text)
	}
	if host == "" || host == "*" {
		return nil
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if a.IP, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err != nil {
		return problemf("%q: %q is no IP address of this machine; leave it away to listen on all", text, host)
	}
	if a.IP.Is6() != strings.HasPrefix(host, "[") {
		return problemf("%q: an IPv6 address stands in brackets, like [::1]:443", text)
	}
	return nil
}

func parsePorts(text string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if first, err = parsePort(from); err != nil || !isRange {
		return first, first, err
	}
	if last, err = parsePort(to); err == nil && last < first {
		err = problemf("%q: the range ends before it begins", text)
	}
	return first, last, err
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, problemf("%q is no port", text)
	}
	return uint16(n), nil
}
