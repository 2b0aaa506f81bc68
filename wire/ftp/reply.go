package ftp

import (
	"bytes"
	"strconv"
)

// Line is a line of a reply. RFC 959 section 4.2: a reply of several lines begins with its code and a hyphen, and ends with a line that begins with the
// same code and a space.
type Line struct {
	Code   int // 0 within a reply
	IsLast bool
	Text   string // after code and separator, or the whole line
}

// ParseLine reads a line without its end. within is the code of the reply that it may be part of, 0 if none is open; false for what is no reply.
func ParseLine(line []byte, within int) (l Line, ok bool) {
	line = bytes.TrimRight(line, "\r")
	code, hasCode := codeOf(line)
	switch {
	case hasCode && (within == 0 || code == within):
		l.Code, l.IsLast = code, len(line) == 3 || line[3] == ' '
		l.Text = string(line[min(4, len(line)):])
		if within != 0 && !l.IsLast {
			l.Code = 0
		}
		return l, true
	case within != 0:
		return Line{Text: string(line)}, true
	}
	return l, false
}

func codeOf(line []byte) (int, bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(line[:3]), 10, 16)
	return int(n), err == nil && n >= 100 && n < 600
}

// AppendReply appends a reply of one line.
func AppendReply(dst []byte, code int, text string) []byte {
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(append(dst, ' '), text...)
	return append(dst, "\r\n"...)
}
