package pool

import (
	"net/netip"
	"strings"
)

// Owns reports whether the host, a name or an IP address in any case, is one of the servers', as configured or as it was resolved. With parents,
// a domain that has a server's name in it counts too. It borrows host; only one that is an address costs an allocation.
func (s *Set) Owns(host []byte, parents bool) bool {
	address := addressIn(host)
	for _, server := range s.Servers {
		if server.isAt(host, address) || parents && isBelow(server.Host, host) {
			return true
		}
	}
	return false
}

// addressIn is the IP address that host is; invalid for a name.
func addressIn(host []byte) netip.Addr {
	if len(host) == 0 || host[0] != '[' && (host[0] < '0' || '9' < host[0]) {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(strings.Trim(string(host), "[]"))
	return a.Unmap().WithZone("")
}

func (s *Server) isAt(host []byte, address netip.Addr) bool {
	at := s.Address.AddrPort.Addr()
	switch {
	case len(host) == 0:
		return false
	case address.IsValid():
		return at.Unmap().WithZone("") == address
	case equalFold(host, s.Host), equalFold(host, hostOf(s.Name)):
		return true
	}
	return at.IsLoopback() && equalFold(host, "localhost")
}

// hostOf is a server's configured address without its port; "" for sockets and SRV records.
func hostOf(name string) string {
	if strings.HasPrefix(name, "unix:") || strings.HasPrefix(name, "srv:") {
		return ""
	}
	if i := strings.LastIndexByte(name, ':'); i > 0 {
		name = name[:i]
	}
	return strings.TrimSuffix(name, ".")
}

// isBelow reports whether name is one below domain.
func isBelow(name string, domain []byte) bool {
	n := len(name) - len(domain)
	return len(domain) > 0 && n > 1 && name[n-1] == '.' && equalFold(domain, name[n:])
}

// equalFold compares without case: names are ASCII.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if d := s[i]; c != d && (c|0x20 != d|0x20 || c|0x20 < 'a' || 'z' < c|0x20) {
			return false
		}
	}
	return true
}
