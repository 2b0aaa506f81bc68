package http2

// Window is what may be sent, or what the peer may send, before the receiver allows more (RFC 9113 section 5.2). It may be negative, after the
// peer has lowered the initial size.
type Window struct{ left int32 }

// NewWindow makes a window of n bytes.
func NewWindow(n int32) Window { return Window{n} }

// Left is how much may pass now; never negative.
func (w *Window) Left() int { return int(max(0, w.left)) }

// Take uses n bytes up; false, and nothing is taken, when that is more than there is.
func (w *Window) Take(n int) bool {
	if int64(n) > int64(w.left) {
		return false
	}
	w.left -= int32(n)
	return true
}

// Add allows n more bytes; false when the window would become larger than one may be. Section 6.9.1: "A sender MUST NOT allow a flow-control
// window to exceed 2^31-1 octets."
func (w *Window) Add(n int) bool {
	if int64(w.left)+int64(n) > MaxWindow {
		return false
	}
	w.left += int32(n)
	return true
}
