package http3

// Frames (RFC 9114 section 7.2).
const (
	FrameData        = 0x00
	FrameHeaders     = 0x01
	FrameCancelPush  = 0x03
	FrameSettings    = 0x04
	FramePushPromise = 0x05
	FrameGoAway      = 0x07
	FrameMaxPushID   = 0x0d

	// RFC 9218 section 7.2.
	FramePriorityUpdate     = 0xf0700
	FramePriorityUpdatePush = 0xf0701
)

// Unidirectional streams (RFC 9114 section 6.2, RFC 9204 section 4.2).
const (
	StreamControl = 0x00
	StreamPush    = 0x01
	StreamEncoder = 0x02
	StreamDecoder = 0x03
)

// MayStandInRequest reports whether a frame may come on a request's stream; unknown ones may, and are skipped. RFC 9114 section 7.2.8: frame types "that were
// used in HTTP/2 where there is no corresponding HTTP/3 frame type" "MUST NOT be sent, and their receipt MUST be treated as a connection error of type
// H3_FRAME_UNEXPECTED."
func MayStandInRequest(kind uint64) bool {
	switch kind {
	case FrameCancelPush, FrameSettings, FramePushPromise, FrameGoAway, FrameMaxPushID, FramePriorityUpdate, FramePriorityUpdatePush:
		return false
	}
	return !isOfHTTP2(kind)
}

// MayStandInControl is MayStandInRequest for the control stream, behind the settings.
func MayStandInControl(kind uint64) bool {
	switch kind {
	case FrameData, FrameHeaders, FrameSettings, FramePushPromise:
		return false
	}
	return !isOfHTTP2(kind)
}

func isOfHTTP2(kind uint64) bool { return kind == 0x02 || kind == 0x06 || kind == 0x08 || kind == 0x09 }

// AppendVarint appends a variable-length integer (RFC 9000 section 16).
func AppendVarint(dst []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(dst, byte(n))
	case n < 1<<14:
		return append(dst, byte(n>>8)|0x40, byte(n))
	case n < 1<<30:
		return append(dst, byte(n>>24)|0x80, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, byte(n>>56)|0xc0, byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// ParseVarint reads a variable-length integer and says how many bytes it has; 0 when there are too few.
func ParseVarint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}

// HeaderMost is the most bytes that a frame's header has.
const HeaderMost = 16

// AppendHeader appends the header of a frame of n bytes.
func AppendHeader(dst []byte, kind uint64, n int) []byte {
	return AppendVarint(AppendVarint(dst, kind), uint64(n))
}

// HeaderRoom is the room for a header that PutHeader writes.
const HeaderRoom = 5

// PutHeader writes the header of a frame whose payload was there before its length was known: the type, and the length in the form of four bytes (RFC 9000 section
// 16). n is below 2^30.
func PutHeader(b []byte, kind byte, n int) {
	b[0], b[1], b[2], b[3], b[4] = kind, byte(n>>24)|0x80, byte(n>>16), byte(n>>8), byte(n)
}

// ParseHeader reads a frame's header and says how many bytes it has; 0 when there are too few.
func ParseHeader(b []byte) (kind, length uint64, n int) {
	kind, k := ParseVarint(b)
	if k == 0 {
		return 0, 0, 0
	}
	length, l := ParseVarint(b[k:])
	if l == 0 {
		return 0, 0, 0
	}
	return kind, length, k + l
}
