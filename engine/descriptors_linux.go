package engine

import "syscall"

// connsMost is how many connections may be open when another client is accepted. An eighth of the process's descriptors, and a few for
// what every process has, stay for connections to servers: a weir whose clients hold every descriptor could only tell them 503.
func connsMost() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	n := int64(limit.Cur)
	return max(n-n/8-24, n/2)
}

// isFull reports whether the connections that are open leave no room for another client.
func (e *Engine) isFull() bool {
	open := int64(0)
	for _, l := range e.loops {
		open += l.openSeen.Load()
	}
	return open >= e.connsMost
}
