package resolve

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// hostsTTL is how long an entry of the hosts file is believed before the file is read again.
const hostsTTL = 5 * time.Second

// fromHosts is the addresses that the hosts file gives for a name; RFC 6761 gives localhost its own without any file.
func fromHosts(path, name string) []netip.Addr {
	text, _ := os.ReadFile(path) // no file: no entries
	var addresses []netip.Addr
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(strings.ToLower(line))
		if len(fields) < 2 || !slices.Contains(fields[1:], name) {
			continue
		}
		if a, err := netip.ParseAddr(fields[0]); err == nil && !slices.Contains(addresses, a.Unmap()) {
			addresses = append(addresses, a.Unmap())
		}
	}
	if len(addresses) == 0 && (name == "localhost" || strings.HasSuffix(name, ".localhost")) {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return addresses
}
