package engine

// PartsMost is how many parts ReadNow fills at a time.
const PartsMost = 4

// MayReadNow reports whether ReadNow would look: c is a bare socket at which something may have arrived.
func MayReadNow(c Conn) bool { return mayReadNow(c) }

// ReadNow fills parts, at most PartsMost, in their order with what has arrived at c, by one system call and without a wait, and reports how many bytes that were.
// 0 says to Read: nothing has arrived, or the end, or an error, or it is others' turn, or c is no bare socket.
func ReadNow(c Conn, parts [][]byte) int { return readNow(c, parts) }
