package peers

import (
	"fmt"
	"net"
)

// FreeAddress returns a loopback address with a port that nobody listened on a moment ago.
func FreeAddress() (string, error) {
	addresses, err := FreeAddresses(1)
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}

// FreeAddresses returns n different ones. All are held until the last is found, so that none is returned twice.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("free port: %w", err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// Port returns the port of a host:port address.
func Port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic("BUG: not an address: " + address)
	}
	return port
}
