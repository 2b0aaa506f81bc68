package engine

import "golang.org/x/sys/unix"

// unacknowledged is how many bytes the system still has for the peer; 0 where it does not say, and of a connection that has failed.
func (c *epollConn) unacknowledged() int {
	if c.closed || c.hungUp || c.failure != 0 {
		return 0
	}
	c.settleSends()
	n, err := unix.IoctlGetInt(c.fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
