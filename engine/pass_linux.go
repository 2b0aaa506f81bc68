package engine

import (
	"syscall"
)

// Pass gives a bare connection to another process: send is handed the descriptor and sends it away. If it cannot, nothing has changed, else
// this process has forgotten the connection, which lives on. Nobody may wait on it, nor may a handler: Reclaim it first. What waits in the
// socket goes along. On the connection's loop.
func Pass(c Conn, send func(fd int) error) error {
	bare, ok := c.(*epollConn)
	if !ok || bare.closed {
		return ErrNotBare
	}
	if bare.reader != nil || bare.writer != nil || bare.handler != nil {
		panic("BUG: a connection in use is passed on")
	}
	if err := send(bare.fd); err != nil {
		return err
	}
	// Its end is that of the descriptor alone; epoll would keep it as long as the other process has the socket.
	syscall.EpollCtl(bare.loop.poller.fd, syscall.EPOLL_CTL_DEL, bare.fd, nil)
	return bare.Close()
}

// CanPass reports whether a connection is one that Pass can give away.
func CanPass(c Conn) bool {
	_, ok := c.(*epollConn)
	return ok
}

// Take makes a connection of a descriptor that another process has passed on, on the loop with the fewest, and has serve run there, outside of
// any coroutine. Any goroutine.
func (e *Engine) Take(fd int, serve func(c Conn)) error {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	peer, err := syscall.Getpeername(fd)
	if err != nil {
		syscall.Close(fd)
		return err
	}
	least := e.lightest(e.loops[0])
	least.accepted.Add(1)
	least.Post(func() {
		if c := least.adoptAccepted(fd, addrPort(peer)); c != nil {
			serve(c)
		}
	})
	return nil
}
