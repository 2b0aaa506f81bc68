package pool

import (
	"net/netip"
	"strings"
)

// Owns reports whether the host, a name or an IP address in any case, is one of the servers', as configured or as it was resolved. With parents,
// a domain that has a server's name in it counts too. It borrows host.
func (s *Set) Owns(host []byte, parents bool) bool {
	text := string(host)
	address := addressIn(text)
	for _, server := range s.Servers {
		if server.isAt(text, address) || parents && isBelow(server.Host, text) {
			return true
		}
	}
	return false
}

// addressIn is the IP address that text is; invalid for a name, which is not taken for one at the cost of an error.
func addressIn(text string) netip.Addr {
	if text == "" || text[0] != '[' && (text[0] < '0' || '9' < text[0]) && !strings.Contains(text, ":") {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(strings.Trim(text, "[]"))
	return a.Unmap().WithZone("")
}

func (s *Server) isAt(host string, address netip.Addr) bool {
	at := s.Address.AddrPort.Addr()
	switch {
	case address.IsValid():
		return at.Unmap().WithZone("") == address
	case strings.EqualFold(host, s.Host), strings.EqualFold(host, hostOf(s.Name)):
		return host != ""
	}
	return at.IsLoopback() && strings.EqualFold(host, "localhost")
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
func isBelow(name, domain string) bool {
	n := len(name) - len(domain)
	return domain != "" && n > 1 && name[n-1] == '.' && strings.EqualFold(name[n:], domain)
}
