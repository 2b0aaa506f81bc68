package http1

import (
	"encoding/binary"

	"github.com/weir-proxy/weir/wire/message"
)

// parseFields reads field lines from buf[i:] to the empty line and returns the index after it; 0 when that is not there yet.
func parseFields(buf []byte, i int, f *message.Fields, most int) (end, next int, fault *Fault) {
	f.Buf = buf
	f.List = f.List[:0]
	for {
		if i >= len(buf) {
			return 0, 0, nil
		}
		start := i
		switch c := buf[i]; c {
		case '\r':
			if i+1 >= len(buf) {
				return 0, 0, nil
			}
			if buf[i+1] != '\n' {
				return 0, 0, FaultLineEnd
			}
			return start, i + 2, nil
		case '\n':
			return 0, 0, FaultLineEnd
		case ' ', '\t':
			// RFC 9112 section 5.2: "A server that receives an obs-fold in a request message that is not within a message/http
			// container MUST either reject the message by sending a 400 (Bad Request) …"
			return 0, 0, FaultFold
		}
		i += tokenLen(buf[i:])
		if i >= len(buf) {
			return 0, 0, nil
		}
		// RFC 9112 section 5.1: "A server MUST reject, with a response status code of 400 (Bad Request), any received request
		// message that contains whitespace between a header field name and colon."
		if buf[i] != ':' || i == start {
			return 0, 0, FaultFieldName
		}
		name := message.Span{Off: uint32(start), End: uint32(i)}
		i++
		for i < len(buf) && (buf[i] == ' ' || buf[i] == '\t') {
			i++
		}
		value := i
		i += valueLen(buf[i:])
		if i+1 >= len(buf) {
			if i < len(buf) && buf[i] != '\r' {
				return 0, 0, badValueByte(buf[i])
			}
			return 0, 0, nil
		}
		if buf[i] != '\r' {
			return 0, 0, badValueByte(buf[i])
		}
		if buf[i+1] != '\n' {
			return 0, 0, FaultLineEnd
		}
		last := i
		for last > value && (buf[last-1] == ' ' || buf[last-1] == '\t') {
			last--
		}
		i += 2
		if len(f.List) >= most {
			return 0, 0, FaultFieldCount
		}
		f.List = append(f.List, message.Field{Name: name, ID: message.FieldIDOf(name.Of(buf)),
			Value: message.Span{Off: uint32(value), End: uint32(last)},
			Line:  message.Span{Off: uint32(start), End: uint32(i)}})
	}
}

// tokenLen is the number of token bytes b begins with.
func tokenLen(b []byte) int {
	for i, c := range b {
		if chars[c]&isToken == 0 {
			return i
		}
	}
	return len(b)
}

// valueLen is the number of field-content bytes b begins with. It looks at eight bytes at a time: the high bit of a byte of the sum is
// set for a byte below 0x20 or equal to 0x7f, and sometimes for its neighbour above, which the last loop then sorts out.
func valueLen(b []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&high != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if chars[b[i]]&isValue == 0 {
			return i
		}
	}
	return len(b)
}

// badValueByte tells a bare LF from NUL and the other control characters.
// RFC 9110 section 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous".
func badValueByte(c byte) *Fault {
	if c == '\n' {
		return FaultLineEnd
	}
	return FaultFieldValue
}

// parseLength reads a Content-Length value: 1*DIGIT (RFC 9110 section 8.6), below 2^63, no list.
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
		if n < 0 {
			return 0, false
		}
	}
	return n, true
}

// framing collects what the fields say about the body and the connection.
type framing struct {
	length     int64
	hasLength  bool
	chunked    bool
	close      bool
	keepAlive  bool
	upgrade    bool
	hasUpgrade bool
	named      bool // a Connection field names other fields
}

// take looks at the fields that frame a message.
func (m *framing) take(f *message.Fields, minor uint8) *Fault {
	for i := range f.List {
		fl := &f.List[i]
		switch fl.ID {
		case message.FieldContentLength:
			if m.hasLength {
				return FaultLengthTwice
			}
			n, ok := parseLength(fl.Value.Of(f.Buf))
			if !ok {
				return FaultLength
			}
			m.length, m.hasLength = n, true
		case message.FieldTransferEncoding:
			v := fl.Value.Of(f.Buf)
			switch {
			case m.chunked:
				return FaultTE
			case message.EqualFold(v, "chunked"):
				m.chunked = true
			case isKnownCoding(v):
				return FaultTEUnknown
			default:
				return FaultTE
			}
		case message.FieldConnection:
			if fault := m.connection(fl.Value.Of(f.Buf)); fault != nil {
				return fault
			}
		case message.FieldUpgrade:
			m.hasUpgrade = true
		}
	}
	switch {
	// RFC 9112 section 6.1: "A server MAY reject a request that contains both Content-Length and Transfer-Encoding"
	case m.chunked && m.hasLength:
		return FaultLengthAndTE
	// RFC 9112 section 6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST
	// treat the message as if the framing is faulty".
	case m.chunked && minor == 0:
		return FaultTEVersion
	}
	return nil
}

// isKnownCoding reports whether v is one token of a registered coding that weir does not speak. RFC 9112 section 6.1: "A server that
// receives a request message with a transfer coding it does not understand SHOULD respond with 501".
func isKnownCoding(v []byte) bool {
	for _, known := range [...]string{"gzip", "x-gzip", "compress", "x-compress", "deflate", "identity", "br", "zstd"} {
		if message.EqualFold(v, known) {
			return true
		}
	}
	return false
}

func (m *framing) connection(v []byte) *Fault {
	if message.EqualFold(v, "keep-alive") { // what nearly every server sends
		m.keepAlive = true
		return nil
	}
	for len(v) > 0 {
		var item []byte
		item, v = message.NextItem(v)
		switch {
		case message.EqualFold(item, "close"):
			m.close = true
		case message.EqualFold(item, "keep-alive"):
			m.keepAlive = true
		case message.EqualFold(item, "upgrade"):
			m.upgrade = true
		default:
			if tokenLen(item) < len(item) {
				return FaultConnection
			}
			m.named = m.named || len(item) > 0
		}
	}
	return nil
}

// persists is RFC 9112 section 9.3.
func (m *framing) persists(minor uint8) bool {
	if m.close {
		return false
	}
	return minor >= 1 || m.keepAlive
}
