package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// v1Max is the longest line, its end included: "PROXY UNKNOWN" with the longest IPv6 addresses.
const v1Max = 107

func parseV1(b []byte) (h Header, n int, err error) {
	end := bytes.Index(b, []byte("\r\n"))
	switch {
	case end < 0 && len(b) >= v1Max, end > v1Max-2:
		return h, 0, Fault("a line of version 1 is too long")
	case end < 0:
		return h, 0, nil
	}
	h.Version = 1
	words := strings.Split(string(b[:end]), " ")
	if len(words) >= 2 && words[1] == "UNKNOWN" {
		// "the receiver must ignore anything presented before the CRLF is found".
		h.IsLocal = true
		return h, end + 2, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return h, 0, Fault("malformed line of version 1")
	}
	var isSource, isDestination bool
	h.Source, isSource = addrPort(words[1] == "TCP4", words[2], words[4])
	h.Destination, isDestination = addrPort(words[1] == "TCP4", words[3], words[5])
	if !isSource || !isDestination {
		return h, 0, Fault("malformed address in version 1")
	}
	return h, end + 2, nil
}

// addrPort is strict: "port numbers ... without any leading zero", addresses of the family that was announced.
func addrPort(is4 bool, ip, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(ip)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || a.Is4() != is4 || a.Zone() != "" || port != strconv.FormatUint(n, 10) {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// AppendV1 appends a header of version 1.
func AppendV1(dst []byte, source, destination netip.AddrPort) []byte {
	from, to := source.Addr().Unmap().WithZone(""), destination.Addr().Unmap().WithZone("")
	switch {
	case !from.IsValid() || !to.IsValid():
		return append(dst, "PROXY UNKNOWN\r\n"...)
	case from.Is4() && to.Is4():
		dst = append(dst, "PROXY TCP4 "...)
	default:
		dst = append(dst, "PROXY TCP6 "...)
	}
	if from.Is4() != to.Is4() {
		from, to = as6(from), as6(to)
	}
	dst = append(from.AppendTo(dst), ' ')
	dst = append(to.AppendTo(dst), ' ')
	dst = append(strconv.AppendUint(dst, uint64(source.Port()), 10), ' ')
	dst = strconv.AppendUint(dst, uint64(destination.Port()), 10)
	return append(dst, "\r\n"...)
}

// as6 is the address in the family of IPv6, mapped where it is of IPv4.
func as6(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
