package engine

import "syscall"

// How a peer is found out that has vanished without a word: a connection without traffic is probed after keepAliveIdle seconds, every keepAliveEvery, and one whose peer
// has confirmed nothing for vanishedAfter is lost. Sockets that are accepted have all of it from the one that listens, and cost no system call; those that are dialed get it
// by WatchPeer, once something long is to be waited for.
//
// vanishedAfter bounds as well how long a peer may keep its window shut.
const (
	keepAliveIdle  = 30      // s
	keepAliveEvery = 15      // s
	vanishedAfter  = 120_000 // ms

	tcpUserTimeout = 18
)

// WatchPeer is engine.WatchPeer.
func (c *epollConn) WatchPeer() {
	if c.isAccepted || c.isWatched || c.closed || !c.remote.IsValid() {
		return
	}
	c.isWatched = true
	watchPeer(c.fd)
}

// watchPeer has the system find out when the peer of a socket of TCP has vanished.
func watchPeer(fd int) {
	rawSetInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	rawSetInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveIdle)
	rawSetInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveEvery)
	rawSetInt(fd, syscall.IPPROTO_TCP, tcpUserTimeout, vanishedAfter)
}
