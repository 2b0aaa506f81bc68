package ftp

import "bytes"

// LineMax bounds a line of either side; paths are the longest that they hold.
const LineMax = 4 << 10

// Command is a line of the client.
type Command struct {
	Verb string // in capitals
	Arg  string
}

// ParseCommand reads a line without its end; false for what is none. The telnet signals that clients send before ABOR (RFC 959 section 4.1.3) are left
// away.
func ParseCommand(line []byte) (c Command, ok bool) {
	for len(line) >= 2 && line[0] == telnetCommand {
		line = line[2:]
	}
	line = bytes.TrimRight(line, "\r")
	verb, arg, _ := bytes.Cut(line, []byte(" "))
	if len(verb) < 3 || len(verb) > 4 || bytes.ContainsAny(arg, "\r\n\x00") {
		return c, false
	}
	upper := bytes.ToUpper(verb)
	for _, b := range upper {
		if b < 'A' || b > 'Z' {
			return c, false
		}
	}
	return Command{string(upper), string(arg)}, true
}

const telnetCommand = 0xff

// Append appends the command's line.
func (c Command) Append(dst []byte) []byte {
	dst = append(dst, c.Verb...)
	if c.Arg != "" {
		dst = append(append(dst, ' '), c.Arg...)
	}
	return append(dst, "\r\n"...)
}
