package engine

// Forwarder is a Handler whose bytes go on to another connection as they are.
type Forwarder interface {
	Handler
	// Forwarded is told of n bytes that came and have gone on, and of rest, which came after them and has not: Serve runs next, and is to write it before
	// anything else. rest is borrowed. It is called on the loop and must neither wait nor touch a connection.
	Forwarded(n int, rest []byte)
}

// AwaitForward is Await for a connection whose bytes go to another of the same loop. Where both are bare sockets, and what has come is small, the loop
// passes it on by itself, without a coroutine, and c stays awaited; h.Serve runs for all else: the end, the read deadline, much, no room. The read deadline is not
// put off by what is passed on.
func AwaitForward(c Conn, h Forwarder, to Conn) {
	if !awaitForward(c, h, to) {
		c.Await(h)
	}
}
