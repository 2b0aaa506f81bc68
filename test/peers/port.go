package peers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
)

// FreeAddress returns a loopback address with a port that nobody listened on a moment ago.
func FreeAddress() (string, error) {
	addresses, err := FreeAddresses(1)
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}

// Ports that the system gives to nobody by itself: Linux begins at 32768 with connections that go out, one of which could take the port of a listener
// that a test closes and opens again. Each process begins at another place and goes on from there, so that tests side by side do not meet.
const firstPort, ports, apart = 10_000, 22_000, 211

var taken atomic.Uint32

// FreeAddresses returns n different ones. All are held until the last is found, so that none is returned twice.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		l, err := freeListener()
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

func freeListener() (l net.Listener, err error) {
	for range 100 {
		port := firstPort + (os.Getpid()*apart+int(taken.Add(1)))%ports
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	return nil, errors.Join(errors.New("no free port was found"), err)
}

// Port returns the port of a host:port address.
func Port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic("BUG: not an address: " + address)
	}
	return port
}
