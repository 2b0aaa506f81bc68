package engine

// Splice moves up to n bytes from src to dst without bringing them to user space, and reports how many it moved; it parks like Read and
// Write. ErrNoSplice, with nothing moved, when one of the two is not a bare socket.
func Splice(dst, src Conn, n int64) (int64, error) { return splice(dst, src, n) }

// CanSplice reports whether Splice works between the two.
func CanSplice(dst, src Conn) bool { return canSplice(dst, src) }
