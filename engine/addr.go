package engine

import (
	"fmt"
	"net/netip"
	"strings"
)

// Address is where to listen or dial: an IP address with a port, or the path of a Unix socket.
type Address struct {
	IP   netip.AddrPort
	Path string // Unix socket; takes precedence

	IsDatagram bool // UDP
}

// ParseAddress reads "1.2.3.4:80", "[::1]:80", ":80" (every address, both families) or "unix:/path".
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" || len(path) > 107 {
			return Address{}, fmt.Errorf("address %q: a Unix socket's path has 1 to 107 bytes", s)
		}
		return Address{Path: path}, nil
	}
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return Address{}, fmt.Errorf("address %q: %w", s, err)
	}
	return Address{IP: ap}, nil
}

func (a Address) String() string {
	if a.Path != "" {
		return "unix:" + a.Path
	}
	if a.IsDatagram {
		return "udp:" + a.IP.String()
	}
	return a.IP.String()
}

// Network is the name package net has for the kind of address.
func (a Address) Network() string {
	if a.Path != "" {
		return "unix"
	}
	if a.IsDatagram {
		return "udp"
	}
	return "tcp"
}
