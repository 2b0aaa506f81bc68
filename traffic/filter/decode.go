package filter

// AppendDecoded appends a query parameter's name or value with "%XX" and "+" decoded; a "%" that begins no encoding stays as it is.
func AppendDecoded(dst, encoded []byte) []byte {
	for len(encoded) > 0 {
		c, n := nextDecoded(encoded)
		dst = append(dst, c)
		encoded = encoded[n:]
	}
	return dst
}

// EqualDecoded reports whether a name or value is the text once it is decoded.
func EqualDecoded(encoded []byte, text string) bool {
	for i := range len(text) {
		if len(encoded) == 0 {
			return false
		}
		c, n := nextDecoded(encoded)
		if c != text[i] {
			return false
		}
		encoded = encoded[n:]
	}
	return len(encoded) == 0
}

// nextDecoded is the first byte that encoded stands for and how many bytes stand for it.
func nextDecoded(encoded []byte) (byte, int) {
	switch c := encoded[0]; {
	case c == '+':
		return ' ', 1
	case c == '%' && len(encoded) >= 3:
		if hi, lo := unhex(encoded[1]), unhex(encoded[2]); hi < 16 && lo < 16 {
			return hi<<4 | lo, 3
		}
	}
	return encoded[0], 1
}

// unhex is the value of a hexadecimal digit; 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
