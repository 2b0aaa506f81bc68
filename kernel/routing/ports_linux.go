package routing

import (
	"fmt"
	"os"
)

// Ports is how many connections one own address can have to one server: those of the kernel's range for ports that it chooses itself.
func Ports() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	var first, last int
	if n, _ := fmt.Sscan(string(text), &first, &last); n != 2 || last < first {
		return 0
	}
	return last - first + 1
}
