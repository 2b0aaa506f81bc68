package http1

import (
	"bytes"

	"github.com/weir-proxy/weir/wire/message"
)

// AppendMended appends a response head the way it ought to be written, for servers that write it wrongly and are known to mean no harm: lines end with CRLF, the
// version is 1.1 where a later 1.x is claimed, and a Content-Length that is said several times with one value is said once. n is how many bytes of buf the head takes; 0 when it
// is not complete. The result must be parsed as any other: what is wrong beyond that stays wrong.
//
// It is for responses alone. A request that two parties read differently is an attack on the next client; the worst that a response can do is to its own client.
func AppendMended(dst, buf []byte) (out []byte, n int) {
	length := []byte(nil)
	for n < len(buf) {
		end := bytes.IndexByte(buf[n:], '\n')
		if end < 0 {
			return dst, 0
		}
		line := buf[n : n+end]
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		isFirst := n == 0
		n += end + 1
		switch name, value, isField := bytes.Cut(line, colon); {
		case isFirst:
			dst = appendVersion(dst, line)
			continue
		case len(line) == 0:
			return append(dst, "\r\n"...), n
		case isField && message.EqualFold(name, "Content-Length"):
			one, same := oneLength(value)
			if !same || length != nil && !bytes.Equal(one, length) {
				break // stays as it is, and is refused
			}
			if length != nil {
				continue
			}
			length = one
			dst = append(dst, "Content-Length: "...)
			line = one
		}
		dst = append(dst, line...)
		dst = append(dst, "\r\n"...)
	}
	return dst, 0
}

var colon = []byte(":")

// appendVersion appends the status line.
func appendVersion(dst, line []byte) []byte {
	start := len(dst)
	dst = append(dst, line...)
	if len(line) > 8 && string(line[:7]) == "HTTP/1." && line[7] > '1' && line[7] <= '9' && line[8] == ' ' {
		dst[start+7] = '1'
	}
	return append(dst, "\r\n"...)
}

// oneLength is the value of a list whose items are all the same.
func oneLength(list []byte) (one []byte, same bool) {
	for len(list) > 0 {
		var item []byte
		if item, list = message.NextItem(list); one != nil && !bytes.Equal(item, one) {
			return nil, false
		}
		one = item
	}
	return one, len(one) > 0
}
