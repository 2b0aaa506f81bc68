package message

import "errors"

// ErrPath says that a path is malformed: a broken percent-encoding, an encoded NUL, or dot segments that leave the root.
var ErrPath = errors.New("malformed path")

// PathTraits are properties of a path that servers read in different ways.
type PathTraits uint16

const (
	EncodedSlash   PathTraits = 1 << iota // %2F: data, or a slash
	Backslash                             // %5C: data, or a slash as on Windows
	DotSegment                            // "." and "..", also with encoded dots or parameters: data, or steps
	RepeatedSlash                         // "//": an empty segment, or one slash
	DoubleEncoding                        // %25 before two hexadecimal digits: data, or decoded a second time
	Overlong                              // UTF-8 in more bytes than it needs, such as %C0%AF: data, or the ASCII character
	Parameters                            // ";": data, or the beginning of parameters that are no part of the segment's name
	TrailingDot                           // dots and spaces at the end of a segment: data, or nothing as on Windows
	DataStream                            // "::" or ":$" in a segment: data, or the name of a stream of the file as on NTFS
	Cookieless                            // "(S(x))": the beginning of a segment, or a session of ASP.NET that is no part of the path
)

// NormalReading are the traits that the normal form resolves (RFC 3986 section 6.2.2.3; merged slashes besides).
const NormalReading = DotSegment | RepeatedSlash

// IsNormalPath reports whether path is its own normal form as far as a glance tells: no percent sign, no "//", no segment that begins with
// a dot. Nearly every path passes, and costs one look per byte.
func IsNormalPath(path []byte) bool {
	slash := false
	for _, c := range path {
		if c == '%' || slash && (c == '/' || c == '.') {
			return false
		}
		slash = c == '/'
	}
	return true
}

// AppendNormalPath appends the normal form of path to dst: percent-encoded unreserved characters decoded, other encodings in upper
// case, dot segments resolved, slashes merged. Encoded slashes and backslashes stay encoded.
func AppendNormalPath(dst, path []byte) ([]byte, error) {
	dst, _, err := AppendReading(dst, path, NormalReading)
	return dst, err
}

// AppendReading appends path the way a server reads it that resolves the traits in resolve and takes all others for data. found are the
// traits that the path has; DoubleEncoding and Overlong may hide others, which are found only when they are resolved. The cost is
// linear in the length of path.
func AppendReading(dst, path []byte, resolve PathTraits) (out []byte, found PathTraits, err error) {
	r := reading{out: dst, start: len(dst), segment: len(dst), resolve: resolve}
	for len(path) > 0 {
		o := nextOctet(path, resolve)
		if o.size == 0 {
			return r.out, r.found, ErrPath
		}
		r.found |= o.found
		path = path[o.size:]
		if !r.take(o) {
			return r.out, r.found, ErrPath
		}
	}
	if !r.closeSegment(false) {
		return r.out, r.found, ErrPath
	}
	return r.out, r.found, nil
}

// octet is the next byte that a path stands for.
type octet struct {
	value     byte
	isEncoded bool
	size      int // bytes of the path that stand for it; 0: the encoding is broken
	found     PathTraits
}

func nextOctet(path []byte, resolve PathTraits) octet {
	v, n := percentByte(path)
	switch {
	case path[0] != '%':
		return octet{value: path[0], size: 1}
	case n == 0:
		return octet{}
	}
	o := octet{value: v, isEncoded: true, size: n}
	if v == '%' {
		full, size := fullByte(path, 0)
		switch {
		case size == 0:
			return octet{}
		case size == n:
			return o
		}
		o.found = DoubleEncoding
		if resolve&DoubleEncoding == 0 {
			return o
		}
		o.value, o.size = full, size
	}
	if o.value >= 0xc0 {
		o.overlong(path[o.size:], resolve)
	}
	return o
}

// encodingsMost bounds how often the digits of an encoding may be encoded themselves, as those of "%25%36%31" are once.
const encodingsMost = 3

// fullByte is the byte that the encoding at the start of path stands for once it has been decoded until nothing is left to decode, and its length; 0 when there is
// none, or when it is nested more than encodingsMost deep. "%61", "%2561", "%25%36%31" and "%252561" all stand for "a".
func fullByte(path []byte, depth int) (v byte, n int) {
	v, n = percentByte(path)
	for n > 0 && v == '%' {
		if depth == encodingsMost && len(path) > n && path[n] == '%' {
			return 0, 0
		}
		hi, size := fullDigit(path[n:], depth+1)
		if size == 0 {
			return v, n
		}
		lo, size2 := fullDigit(path[n+size:], depth+1)
		if size2 == 0 {
			return v, n
		}
		v, n = hi<<4|lo, n+size+size2
	}
	return v, n
}

// fullDigit is the hexadecimal digit at the start of path, encoded or not, and its length; 0 when there is none.
func fullDigit(path []byte, depth int) (digit byte, n int) {
	if len(path) == 0 {
		return 0, 0
	}
	v, n := path[0], 1
	if v == '%' {
		v, n = fullByte(path, depth)
	}
	d := unhex(v)
	if n == 0 || d < 0 {
		return 0, 0
	}
	return byte(d), n
}

// percentByte is the byte that the encoding at the start of path stands for, and its length; 0 when there is none.
func percentByte(path []byte) (byte, int) {
	if len(path) < 3 || path[0] != '%' {
		return 0, 0
	}
	hi, lo := unhex(path[1]), unhex(path[2])
	if hi < 0 || lo < 0 {
		return 0, 0
	}
	return byte(hi<<4 | lo), 3
}

// overlong looks whether the byte begins an ASCII character in two, three or four bytes. RFC 3629 section 3: "Implementations of the
// decoding algorithm above MUST protect against decoding invalid sequences." Old servers do not.
func (o *octet) overlong(rest []byte, resolve PathTraits) {
	var follow int // bytes that follow
	high := byte(0)
	switch o.value {
	case 0xc0, 0xc1:
		follow, high = 1, o.value&1
	case 0xe0:
		follow = 2
	case 0xf0:
		follow = 3
	default:
		return
	}
	size := o.size
	for ; follow > 0; follow-- {
		v, n := percentByte(rest)
		if resolve&DoubleEncoding != 0 {
			v, n = fullByte(rest, 0)
		}
		if n == 0 || v&0xc0 != 0x80 {
			return
		}
		rest, size = rest[n:], size+n
		switch {
		case follow > 1 && v&0x3f > 1, follow > 2 && v != 0x80:
			return // a character beyond ASCII
		case follow > 1:
			high = v & 1
		default:
			v = high<<6 | v&0x3f
			o.found |= Overlong
			if resolve&Overlong != 0 {
				o.value, o.size = v, size
			}
		}
	}
}

// reading is a path that is being read.
type reading struct {
	out     []byte
	start   int // of the path in out
	segment int // of the last segment in out
	resolve PathTraits
	found   PathTraits
	skips   bool // parameters: all up to the next slash
}

// take takes the next octet; false if the path is malformed.
func (r *reading) take(o octet) bool {
	switch c := o.value; {
	case c == '/' && !o.isEncoded:
		return r.closeSegment(true)
	case c == 0:
		return false
	case c == '/':
		r.found |= EncodedSlash
		if r.resolve&EncodedSlash != 0 {
			return r.closeSegment(true)
		}
	case c == '\\':
		r.found |= Backslash
		if r.resolve&Backslash != 0 {
			return r.closeSegment(true)
		}
	case c == ';' && !o.isEncoded:
		r.found |= Parameters
		r.skips = r.skips || r.resolve&Parameters != 0
	}
	switch {
	case r.skips:
	case o.isEncoded && !isUnreserved(o.value):
		const hex = "0123456789ABCDEF"
		r.out = append(r.out, '%', hex[o.value>>4], hex[o.value&15])
	default:
		r.out = append(r.out, o.value)
	}
	return true
}

// closeSegment ends the last segment, and begins the next one if a slash follows. It is false when a dot segment leaves the root.
func (r *reading) closeSegment(slash bool) bool {
	r.skips = false
	r.cut()
	s := r.out[r.segment:]
	isFirst := r.segment == r.start
	switch dots, session := dotsOf(s), sessionLen(s); {
	case session > 0:
		r.found |= Cookieless
		if r.resolve&Cookieless == 0 {
			break
		}
		if session < len(s) {
			return false // old versions glue what is behind it to the segment before: nobody but an attacker sends that
		}
		r.out = r.out[:r.segment]
		if !isFirst {
			return true
		}
	case dots > 0:
		r.found |= DotSegment
		if r.resolve&DotSegment == 0 {
			break
		}
		r.out = r.out[:r.segment]
		if dots == 2 {
			if r.segment <= r.start+1 {
				return false
			}
			at := r.segment - 1
			for at > r.start && r.out[at-1] != '/' {
				at--
			}
			r.out, r.segment = r.out[:at], at
		}
		if !isFirst {
			return true // the slash before the segment stands for the one behind it
		}
	case len(s) == 0 && !isFirst && slash:
		r.found |= RepeatedSlash
		if r.resolve&RepeatedSlash != 0 {
			return true
		}
	}
	if slash {
		r.out = append(r.out, '/')
		r.segment = len(r.out)
	}
	return true
}

// cut drops what Windows does not count to the name of a file.
func (r *reading) cut() {
	s := r.out[r.segment:]
	if at := streamAt(s); at >= 0 {
		r.found |= DataStream
		if r.resolve&DataStream != 0 {
			s = s[:at]
		}
	}
	if n := trailing(s); n > 0 && dotsOf(s) == 0 {
		r.found |= TrailingDot
		if r.resolve&TrailingDot != 0 {
			s = s[:len(s)-n]
		}
	} else if n > 0 && r.resolve&TrailingDot != 0 {
		for hasSuffix(s, "%20") {
			s = s[:len(s)-3]
		}
	}
	r.out = r.out[:r.segment+len(s)]
}

// streamAt is where the name of a stream begins in a segment: at "::" or ":$"; -1 if there is none.
func streamAt(s []byte) int {
	for i := range s {
		n := encodedLen(s[i:], ':', "%3A")
		if n == 0 {
			continue
		}
		rest := s[i+n:]
		if encodedLen(rest, ':', "%3A") > 0 || encodedLen(rest, '$', "%24") > 0 {
			return i
		}
	}
	return -1
}

// trailing is how many bytes at the end of a segment are dots and encoded spaces.
func trailing(s []byte) int {
	all := len(s)
	for {
		switch {
		case hasSuffix(s, "."):
			s = s[:len(s)-1]
		case hasSuffix(s, "%20"):
			s = s[:len(s)-3]
		default:
			return all - len(s)
		}
	}
}

func hasSuffix(s []byte, suffix string) bool {
	return len(s) >= len(suffix) && string(s[len(s)-len(suffix):]) == suffix
}

// sessionLen is the length of what ASP.NET takes for its own at the start of a segment, such as "(S(x))" or "(A(x)F(y))"; 0 if there is nothing.
func sessionLen(s []byte) int {
	at := encodedLen(s, '(', "%28")
	if at == 0 || at == len(s) || s[at]|0x20 < 'a' || s[at]|0x20 > 'z' {
		return 0
	}
	if encodedLen(s[at+1:], '(', "%28") == 0 {
		return 0
	}
	for i, closed := at, false; i < len(s); {
		n := encodedLen(s[i:], ')', "%29")
		if n > 0 && closed {
			return i + n
		}
		closed = n > 0
		i += max(n, 1)
	}
	return 0
}

// encodedLen is the length of the character at the start of s, encoded or not; 0 if there is another one.
func encodedLen(s []byte, c byte, encoded string) int {
	switch {
	case len(s) > 0 && s[0] == c:
		return 1
	case len(s) > 2 && string(s[:3]) == encoded:
		return 3
	}
	return 0
}

// dotsOf is 1 for the segment ".", 2 for "..", and 0 for every other. Parameters and spaces behind the dots do not change what some servers make of them.
func dotsOf(s []byte) int {
	for i, c := range s {
		if c == ';' {
			s = s[:i]
			break
		}
	}
	for hasSuffix(s, "%20") {
		s = s[:len(s)-3]
	}
	if len(s) > 0 && len(s) <= 2 && s[0] == '.' && s[len(s)-1] == '.' {
		return len(s)
	}
	return 0
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
