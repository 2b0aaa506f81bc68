package engine

import "syscall"

// Leave takes a bare connection that nobody waits on, nor a handler, from its loop. What waits in the socket goes along. nil, and nothing has
// changed, if there is more to the connection than a socket. On the connection's loop.
func Leave(c Conn) *Moving {
	bare, ok := c.(*epollConn)
	if !ok || bare.closed {
		return nil
	}
	if bare.reader != nil || bare.writer != nil || bare.handler != nil {
		panic("BUG: a connection in use is moved")
	}
	fd, err := syscall.Dup(bare.fd)
	if err != nil {
		return nil
	}
	syscall.CloseOnExec(fd)
	// Its end is that of the descriptor alone; epoll would keep it as long as the socket lives.
	syscall.EpollCtl(bare.loop.poller.fd, syscall.EPOLL_CTL_DEL, bare.fd, nil)
	bare.Close()
	return &Moving{fd: fd, local: bare.local, remote: bare.remote}
}

// Settle makes the connection one of this loop. On it, or in a coroutine of it.
func (l *Loop) Settle(m *Moving) (Conn, error) {
	c, err := l.adopt(m.fd, m.local, m.remote)
	if err != nil {
		return nil, err
	}
	return c, nil
}
