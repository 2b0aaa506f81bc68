package pool

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// SamePort stands in place of a port where a server is reached by the port that its client asks for.
const SamePort = ":*"

// Address is where a server is reached: an IP address with port, or the path of a unix socket. Comparable.
type Address struct {
	AddrPort netip.AddrPort // port 0: the one that the client asks for
	Path     string         // "" unless a unix socket
}

// Network is "tcp" or "unix", as package net has it.
func (a Address) Network() string {
	if a.Path != "" {
		return "unix"
	}
	return "tcp"
}

// String is the form package net dials.
func (a Address) String() string {
	if a.Path != "" {
		return a.Path
	}
	return a.AddrPort.String()
}

// Target is what the address of a server stands for: an Address, or a name that has to be resolved to some.
type Target struct {
	Address Address // valid unless Name is set
	Name    string  // host name, or the owner name of SRV records; "" for an Address
	Port    uint16  // of a host name; 0 for SRV
}

// IsSRV reports whether the target's hosts, ports, weights and priorities come from SRV records.
func (t Target) IsSRV() bool { return t.Name != "" && t.Port == 0 }

// At is the address for a client that asks for a port.
func (a Address) At(port uint16) netip.AddrPort {
	if a.AddrPort.Port() != 0 {
		return a.AddrPort
	}
	return netip.AddrPortFrom(a.AddrPort.Addr(), port)
}

// ParseTarget takes `10.0.0.1:80`, `[::1]:80`, `10.0.0.1:*`, `host:80`, `unix:/run/app.sock` and `srv:_http._tcp.example.com`.
func ParseTarget(text string) (Target, error) {
	if path, isUnix := strings.CutPrefix(text, "unix:"); isUnix {
		if path == "" {
			return Target{}, fmt.Errorf("address %q: no path after unix:", text)
		}
		return Target{Address: Address{Path: path}}, nil
	}
	if name, isSRV := strings.CutPrefix(text, "srv:"); isSRV {
		return nameTarget(text, name, 0)
	}
	if address, err := netip.ParseAddrPort(text); err == nil {
		if address.Port() == 0 {
			return Target{}, fmt.Errorf("address %q: port 0", text)
		}
		return Target{Address: Address{AddrPort: unmap(address)}}, nil
	}
	if host, isSame := strings.CutSuffix(text, SamePort); isSame {
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil {
			return Target{}, fmt.Errorf("address %q: only an IP address goes without a port", text)
		}
		return Target{Address: Address{AddrPort: netip.AddrPortFrom(ip.Unmap(), 0)}}, nil
	}
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return Target{}, fmt.Errorf("address %q: not host:port, unix:path or srv:name", text)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return Target{}, fmt.Errorf("address %q: port is not a number from 1 to 65535", text)
	}
	return nameTarget(text, host, uint16(port))
}

func nameTarget(text, name string, port uint16) (Target, error) {
	if name == "" || len(name) > 253 || strings.ContainsAny(name, ":/ \t[]@") {
		return Target{}, fmt.Errorf("address %q: not a host name", text)
	}
	return Target{Name: strings.ToLower(strings.TrimSuffix(name, ".")), Port: port}, nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
