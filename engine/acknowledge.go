package engine

// Acknowledge has the system acknowledge at once what has come by a bare connection, where nothing is to be sent that would take the acknowledgement along: a peer that has not turned off
// Nagle's algorithm sends nothing more before, and the system would wait for 40 ms.
func Acknowledge(c Conn) {
	if bare, ok := c.(interface{ acknowledge() }); ok {
		bare.acknowledge()
	}
}
