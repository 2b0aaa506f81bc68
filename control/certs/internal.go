package certs

import (
	"net/netip"
	"strings"
)

// internalZones are the top-level names below which no public authority issues: reserved (RFC 6761, RFC 6762, RFC 8375, RFC 2606), set aside by ICANN for
// private use, or so common in private networks that they were never given to anybody.
var internalZones = map[string]bool{
	"localhost": true, "local": true, "internal": true, "home.arpa": true, "test": true, "example": true, "invalid": true,
	"lan": true, "corp": true, "home": true, "intranet": true, "private": true,
}

// IsInternal reports whether a name, in lower case, is one that weir's own authority issues for: an IP address, a single label, or in a private zone.
func IsInternal(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	at := strings.LastIndexByte(name, '.')
	return at < 0 || internalZones[name[at+1:]] || strings.HasSuffix(name, ".home.arpa")
}
