package engine

import "syscall"

// acknowledge has the system acknowledge at once what has come.
func (c *epollConn) acknowledge() {
	if !c.closed {
		rawSetInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}
}
