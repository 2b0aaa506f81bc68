package sniff

import (
	"encoding/binary"
	"errors"
)

// Hello is what a ClientHello says (RFC 8446 section 4.1.2). Its fields borrow the bytes it was read from, or a copy.
type Hello struct {
	ServerName []byte // RFC 6066 section 3, in lower case and without a final dot; nil: none
	protocols  []byte // RFC 7301 section 3.1, as on the wire
}

// What the first bytes are if they are no ClientHello.
var (
	ErrNotTLS    = errors.New("the connection does not begin with a TLS handshake")
	ErrMalformed = errors.New("malformed ClientHello")
	ErrTooLong   = errors.New("the ClientHello is too long")
)

// SizeMax bounds what is read of a connection, records' headers included. A hello with post-quantum key shares has 2 KiB.
const SizeMax = 16 << 10

const (
	recordHandshake   = 22
	recordHeader      = 5
	recordMax         = 1 << 14
	messageHeader     = 4
	messageHello      = 1
	extensionName     = 0
	extensionProtocol = 16
)

// ClientHello reads the hello at the beginning of b. enough is false while it goes on beyond b.
func ClientHello(b []byte) (h Hello, enough bool, err error) {
	var r Records
	return r.ClientHello(b)
}

// Records puts a ClientHello together that arrives bit by bit. It remembers which records were whole: a client that sends single bytes, in records of single bytes, costs no more than their
// number. The zero value is for a new connection.
type Records struct {
	at      int    // where the first record begins that was not whole
	message []byte // what the records before it hold
}

// ClientHello reads the hello at the beginning of b, which holds all bytes since the connection's first and grows from call to call. enough is false while the hello goes on beyond b.
func (r *Records) ClientHello(b []byte) (h Hello, enough bool, err error) {
	message, enough, err := r.handshake(b)
	if err != nil || !enough {
		return h, enough, err
	}
	return h, true, h.parse(message)
}

// handshake returns the first handshake message, put together from its records.
func (r *Records) handshake(b []byte) (message []byte, enough bool, err error) {
	for {
		rest := b[r.at:]
		switch {
		case len(rest) > 0 && rest[0] != recordHandshake, len(rest) > 1 && rest[1] != 3:
			if r.at == 0 {
				return nil, false, ErrNotTLS
			}
			return nil, false, ErrMalformed
		case len(rest) < recordHeader:
			return nil, false, nil
		}
		size := int(binary.BigEndian.Uint16(rest[3:]))
		// RFC 8446 section 5.1: "The length MUST NOT exceed 2^14 bytes", and "Implementations MUST NOT send zero-length fragments of
		// Handshake types".
		if size == 0 || size > recordMax {
			return nil, false, ErrMalformed
		}
		part := rest[recordHeader:]
		isWhole := len(part) >= size
		part = part[:min(size, len(part))]
		want, err := r.length(part)
		switch {
		case err != nil:
			return nil, false, err
		case want > 0 && len(r.message)+len(part) >= want && len(r.message) == 0:
			return part[messageHeader:want], true, nil // most hellos are one record: no copy
		case want > 0 && len(r.message)+len(part) >= want:
			return append(r.message, part...)[messageHeader:want], true, nil
		case !isWhole:
			return nil, false, nil
		}
		r.message = append(r.message, part...)
		r.at += recordHeader + size
	}
}

// length is how long the message is, header included, which goes on with part; 0: its header is not complete.
func (r *Records) length(part []byte) (int, error) {
	var header [messageHeader]byte
	n := copy(header[:], r.message)
	n += copy(header[n:], part)
	if n > 0 && header[0] != messageHello {
		return 0, ErrNotTLS
	}
	if n < messageHeader {
		return 0, nil
	}
	want := messageHeader + int(header[1])<<16 + int(binary.BigEndian.Uint16(header[2:]))
	if want > SizeMax {
		return 0, ErrTooLong
	}
	return want, nil
}

// parse reads the message's fields as far as the extensions that matter.
func (h *Hello) parse(message []byte) error {
	r := reader{message, true}
	r.skip(2 + 32) // legacy_version, random
	r.vector(1)    // legacy_session_id
	r.vector(2)    // cipher_suites
	r.vector(1)    // legacy_compression_methods
	if !r.ok {
		return ErrMalformed
	}
	if len(r.b) == 0 {
		return nil // TLS 1.2 and before need no extensions
	}
	extensions := reader{r.vector(2), true}
	for r.ok && extensions.ok && len(extensions.b) > 0 {
		kind := extensions.number(2)
		body := reader{extensions.vector(2), true}
		if !extensions.ok {
			break
		}
		switch kind {
		case extensionName:
			if h.ServerName != nil || !h.names(&body) {
				return ErrMalformed
			}
		case extensionProtocol:
			h.protocols = body.vector(2)
			if !body.ok || len(body.b) > 0 || !isList(h.protocols) {
				return ErrMalformed
			}
		}
	}
	if !r.ok || !extensions.ok || len(r.b) > 0 {
		return ErrMalformed
	}
	return nil
}

// names takes the one host name of the extension.
func (h *Hello) names(body *reader) bool {
	list := reader{body.vector(2), body.ok}
	for list.ok && len(list.b) > 0 {
		kind, name := list.number(1), list.vector(2)
		if kind != 0 {
			continue
		}
		// RFC 6066 section 3: "The ServerNameList MUST NOT contain more than one name of the same name_type."
		if !list.ok || h.ServerName != nil {
			return false
		}
		if h.ServerName = hostName(name); h.ServerName == nil {
			return false
		}
	}
	return body.ok && list.ok && len(body.b) == 0
}

// hostName is the name in the form by which sites are found; nil for what is none.
func hostName(name []byte) []byte {
	if n := len(name); n > 1 && name[n-1] == '.' {
		name = name[:n-1]
	}
	if len(name) == 0 || len(name) > 253 {
		return nil
	}
	lower := make([]byte, len(name))
	for i, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c <= ' ' || c >= 0x7f || c == '/' || c == '*':
			return nil
		}
		lower[i] = c
	}
	return lower
}

// Protocols goes through what is offered by ALPN, in the client's order.
func (h *Hello) Protocols(yield func(name []byte) bool) {
	for list := h.protocols; len(list) > 0; {
		n := int(list[0])
		if !yield(list[1 : 1+n]) {
			return
		}
		list = list[1+n:]
	}
}

// isList reports whether a protocol list is whole, and holds a name. RFC 7301 section 3.1: "Empty strings MUST NOT be included".
func isList(list []byte) bool {
	if len(list) == 0 {
		return false
	}
	for len(list) > 0 {
		n := int(list[0])
		if n == 0 || len(list) < 1+n {
			return false
		}
		list = list[1+n:]
	}
	return true
}

// reader takes fields off the front; once it fails it is not ok and returns nothing more.
type reader struct {
	b  []byte
	ok bool
}

func (r *reader) skip(n int) []byte {
	if !r.ok || len(r.b) < n {
		r.ok = false
		return nil
	}
	field := r.b[:n]
	r.b = r.b[n:]
	return field
}

func (r *reader) number(bytes int) (n int) {
	for _, b := range r.skip(bytes) {
		n = n<<8 | int(b)
	}
	return n
}

// vector is a field that begins with its length in so many bytes.
func (r *reader) vector(bytes int) []byte { return r.skip(r.number(bytes)) }
