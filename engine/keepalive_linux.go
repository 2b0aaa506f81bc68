package engine

import "syscall"

// How a peer is found out that has vanished without a word: a connection without traffic is probed after keepAliveIdle seconds, every keepAliveEvery, and one whose peer
// has confirmed nothing for vanishedAfter is lost. Sockets that are accepted have all of it from the one that listens, and cost no system call.
//
// vanishedAfter bounds as well how long a peer may keep its window shut.
const (
	keepAliveIdle  = 30      // s
	keepAliveEvery = 15      // s
	vanishedAfter  = 120_000 // ms

	tcpUserTimeout = 18
)

// watchPeer has the system find out when the peer of a socket of TCP has vanished.
func watchPeer(fd int) {
	rawSetInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	rawSetInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveIdle)
	rawSetInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveEvery)
	rawSetInt(fd, syscall.IPPROTO_TCP, tcpUserTimeout, vanishedAfter)
}
