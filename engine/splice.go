package engine

// Splice moves bytes that src has, at most n, to dst without bringing them to user space, and reports how many; it parks like Read and
// Write, and returns when what it took has been moved, so that callers can set deadlines anew. While dst takes bytes its write deadline
// moves on. A failure of dst is a *SpliceWriteError; ErrNoSplice, with nothing moved, says to copy instead: one of the two is no bare
// socket, or there is no pipe to be had.
func Splice(dst, src Conn, n int64) (int64, error) { return splice(dst, src, n, true) }

// SpliceNow is Splice that does not wait for src: nothing and no error when there is nothing.
func SpliceNow(dst, src Conn, n int64) (int64, error) { return splice(dst, src, n, false) }

// SpliceWriteError is a failure of the connection that was spliced to.
type SpliceWriteError struct{ Err error }

func (e *SpliceWriteError) Error() string { return e.Err.Error() }
func (e *SpliceWriteError) Unwrap() error { return e.Err }

// CanSplice reports whether Splice works between the two.
func CanSplice(dst, src Conn) bool { return canSplice(dst, src) }
