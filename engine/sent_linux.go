package engine

import "golang.org/x/sys/unix"

// unacknowledged is how many bytes are in the send buffer; 0 if the system does not say, or the connection has failed.
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
