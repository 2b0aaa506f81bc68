package ftp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParsePort reads the argument of PORT: six numbers with commas.
func ParsePort(arg string) (netip.AddrPort, bool) {
	parts := strings.Split(strings.TrimSpace(arg), ",")
	if len(parts) != 6 {
		return netip.AddrPort{}, false
	}
	var n [6]byte
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 8)
		if err != nil || len(p) > 3 {
			return netip.AddrPort{}, false
		}
		n[i] = byte(v)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[:4])), uint16(n[4])<<8|uint16(n[5])), true
}

// AppendPort appends that form.
func AppendPort(dst []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap().As4()
	return fmt.Appendf(dst, "%d,%d,%d,%d,%d,%d", ip[0], ip[1], ip[2], ip[3], a.Port()>>8, a.Port()&255)
}

// ParseExtendedPort reads the argument of EPRT (RFC 2428 section 2): "|1|132.235.1.2|6275|" or "|2|1080::8:800:200C:417A|5282|".
func ParseExtendedPort(arg string) (netip.AddrPort, bool) {
	if len(arg) < 2 || arg[0] < 33 || arg[0] > 126 {
		return netip.AddrPort{}, false
	}
	parts := strings.Split(arg, arg[:1])
	if len(parts) != 5 || parts[0] != "" || parts[4] != "" {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(parts[2])
	port, portErr := strconv.ParseUint(parts[3], 10, 16)
	isFamily := parts[1] == "1" && ip.Is4() || parts[1] == "2" && ip.Is6()
	if err != nil || portErr != nil || port == 0 || !isFamily || ip.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), true
}

// AppendExtendedPort appends that form.
func AppendExtendedPort(dst []byte, a netip.AddrPort) []byte {
	ip, family := a.Addr().Unmap().WithZone(""), 1
	if ip.Is6() {
		family = 2
	}
	return fmt.Appendf(dst, "|%d|%s|%d|", family, ip, a.Port())
}

// ParsePassive reads the text of a reply 227: RFC 959 gives it no form, so the address is what stands in parentheses, or begins with the first digit.
func ParsePassive(text string) (netip.AddrPort, bool) {
	if i := strings.IndexByte(text, '('); i >= 0 {
		text, _, _ = strings.Cut(text[i+1:], ")")
		return ParsePort(text)
	}
	i := strings.IndexAny(text, "0123456789")
	if i < 0 {
		return netip.AddrPort{}, false
	}
	end := strings.LastIndexAny(text, "0123456789")
	return ParsePort(text[i : end+1])
}

// ParseExtendedPassive reads the text of a reply 229 (RFC 2428 section 3): "(|||6446|)".
func ParseExtendedPassive(text string) (port uint16, ok bool) {
	_, text, found := strings.Cut(text, "(")
	text, _, closed := strings.Cut(text, ")")
	if !found || !closed || len(text) < 5 {
		return 0, false
	}
	parts := strings.Split(text, text[:1])
	if len(parts) != 5 || parts[0] != "" || parts[1] != "" || parts[2] != "" || parts[4] != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(parts[3], 10, 16)
	return uint16(n), err == nil && n != 0
}
