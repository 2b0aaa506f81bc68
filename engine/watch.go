package engine

// Change is what becomes of a connection while nobody reads from it.
type Change uint8

// Arrived: bytes have come, which wait. Finished: the peer will send nothing more, and may still read. Gone: the connection is reset, or lost.
const (
	Arrived Change = iota
	Finished
	Gone
)

// Watcher is told what becomes of a connection. Changed is called on the loop, also from within Conn.Watch; it must not wait.
type Watcher interface{ Changed(Change) }

// WatchPeer has the system find out when the peer of a dialed connection has vanished without a word, from now on. It is for connections on which long silence is no
// fault; where there are short deadlines these find out by themselves, and save four system calls. Accepted connections are watched from the beginning.
func WatchPeer(c Conn) {
	if bare, ok := c.(interface{ WatchPeer() }); ok {
		bare.WatchPeer()
	}
}

// SendNow sends p at once if that needs no waiting and nobody else is writing, and reports whether it did. It works on bare sockets. It may be called outside of
// a coroutine.
func SendNow(c Conn, p []byte) bool {
	bare, ok := c.(interface{ sendNow(p []byte) bool })
	return ok && bare.sendNow(p)
}
