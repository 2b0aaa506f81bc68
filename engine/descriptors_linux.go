package engine

import "syscall"

// descriptorsMost is how many descriptors of clients and servers may be in use when another client is accepted, and when another connection to a server is opened. The difference is an eighth
// of the process's descriptors: a weir whose clients hold every descriptor could only tell them 503. What is left beyond stays for the rest of the process: loops, listening sockets, logs, the
// admin address, and files that a reload reads.
func descriptorsMost() (accept, dial int64) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 1 << 30, 1 << 30
	}
	n := int64(limit.Cur)
	rest := min(n/4, 32+n/64)
	return max(n-n/8-rest, n/2), n - rest
}
