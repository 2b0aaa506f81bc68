package http2

import "encoding/binary"

// FrameType is the type of a frame (RFC 9113 section 6).
type FrameType uint8

// The frames that weir knows; all others are ignored. RFC 9113 section 4.1: "Implementations MUST ignore and discard frames of unknown types."
const (
	FrameData           FrameType = 0x0
	FrameHeaders        FrameType = 0x1
	FramePriority       FrameType = 0x2
	FrameRSTStream      FrameType = 0x3
	FrameSettings       FrameType = 0x4
	FramePushPromise    FrameType = 0x5
	FramePing           FrameType = 0x6
	FrameGoAway         FrameType = 0x7
	FrameWindowUpdate   FrameType = 0x8
	FrameContinuation   FrameType = 0x9
	FramePriorityUpdate FrameType = 0x10 // RFC 9218 section 7.1
)

// Flags of frames.
const (
	FlagEndStream  = 0x1 // DATA, HEADERS
	FlagAck        = 0x1 // SETTINGS, PING
	FlagEndHeaders = 0x4 // HEADERS, CONTINUATION
	FlagPadded     = 0x8 // DATA, HEADERS
	FlagPriority   = 0x20
)

// HeaderLen is the length of a frame's header.
const HeaderLen = 9

// Header is the header of a frame.
type Header struct {
	Length int
	Type   FrameType
	Flags  uint8
	Stream uint32
}

// ParseHeader reads the header at the start of b, which holds at least HeaderLen bytes.
func ParseHeader(b []byte) Header {
	return Header{
		Length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		Type:   FrameType(b[3]),
		Flags:  b[4],
		// "Reserved: A reserved 1-bit field. … the bit MUST remain unset … when sending and MUST be ignored when receiving."
		Stream: binary.BigEndian.Uint32(b[5:]) & 0x7fffffff,
	}
}

// AppendHeader appends the header of a frame.
func AppendHeader(dst []byte, length int, t FrameType, flags uint8, stream uint32) []byte {
	return append(dst, byte(length>>16), byte(length>>8), byte(length), byte(t), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// PutHeader writes the header of a frame to b.
func PutHeader(b []byte, length int, t FrameType, flags uint8, stream uint32) {
	AppendHeader(b[:0], length, t, flags, stream)
}

// AppendRST appends a RST_STREAM frame.
func AppendRST(dst []byte, stream uint32, code Code) []byte {
	dst = AppendHeader(dst, 4, FrameRSTStream, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

// AppendGoAway appends a GOAWAY frame; last is the highest stream that is or may be processed.
func AppendGoAway(dst []byte, last uint32, code Code, detail string) []byte {
	dst = AppendHeader(dst, 8+len(detail), FrameGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, detail...)
}

// AppendPing appends a PING frame, or its acknowledgement.
func AppendPing(dst []byte, ack bool, opaque [8]byte) []byte {
	flags := uint8(0)
	if ack {
		flags = FlagAck
	}
	dst = AppendHeader(dst, 8, FramePing, flags, 0)
	return append(dst, opaque[:]...)
}

// AppendWindowUpdate appends a WINDOW_UPDATE frame; stream 0 is the connection.
func AppendWindowUpdate(dst []byte, stream uint32, n int) []byte {
	dst = AppendHeader(dst, 4, FrameWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// Padding is how many bytes of padding end the payload of a DATA frame, of which the beginning is here.
// RFC 9113 section 6.1: "If the length of the padding is the length of the frame payload or greater, the recipient MUST treat this as a
// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
func Padding(h Header, begin []byte) (int, *ConnError) {
	switch {
	case h.Flags&FlagPadded == 0:
		return 0, nil
	case len(begin) == 0:
		return 0, &ConnError{FrameSizeError, "padding_missing"}
	case int(begin[0]) >= h.Length:
		return 0, &ConnError{ProtocolError, "padding_too_long"}
	}
	return int(begin[0]), nil
}

// Unpad takes the padding off the payload of a HEADERS frame, and the priority fields that it may have. Of padding that is too long section 6.2 says the same as
// section 6.1 (see Padding).
func Unpad(h Header, payload []byte) ([]byte, *ConnError) {
	padding := 0
	if h.Flags&FlagPadded != 0 {
		if len(payload) == 0 {
			return nil, &ConnError{FrameSizeError, "padding_missing"}
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if h.Flags&FlagPriority != 0 {
		if len(payload) < 5 {
			return nil, &ConnError{FrameSizeError, "priority_missing"}
		}
		payload = payload[5:]
	}
	if padding > len(payload) {
		return nil, &ConnError{ProtocolError, "padding_too_long"}
	}
	return payload[:len(payload)-padding], nil
}

// DependsOnItself reports whether a HEADERS frame with the priority flag names its own stream as the one it depends on, which RFC 7540 section
// 5.3.1 makes a stream error; RFC 9113 has no use for the field.
func DependsOnItself(h Header, payload []byte) bool {
	if h.Flags&FlagPriority == 0 {
		return false
	}
	if h.Flags&FlagPadded != 0 && len(payload) > 0 {
		payload = payload[1:]
	}
	return len(payload) >= 4 && binary.BigEndian.Uint32(payload)&0x7fffffff == h.Stream
}
