package http1

import "github.com/weir-proxy/weir/wire/message"

// ParseRequest reads the request head at the start of buf into r and returns its length in bytes; 0 when it is not complete.
// r keeps spans into buf; r.List is reused.
func ParseRequest(buf []byte, r *message.Request, limits *Limits) (int, *Fault) {
	i := 0
	// RFC 9112 section 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty
	// line (CRLF) received prior to the request-line." Exactly one is ignored.
	if len(buf) >= 2 && buf[0] == '\r' && buf[1] == '\n' {
		i = 2
	} else if len(buf) == 1 && buf[0] == '\r' {
		return 0, nil
	}
	lines, fault := ParseRequestLine(buf, i, r, limits)
	if fault != nil {
		return 0, fault
	}
	if lines == 0 {
		return 0, tooLarge(buf, limits)
	}
	end, next, fault := parseFields(buf, lines, &r.Fields, limits.fields())
	if fault != nil {
		return 0, fault
	}
	if next == 0 {
		return 0, tooLarge(buf, limits)
	}
	if next > limits.head() {
		return 0, FaultHeadSize
	}
	r.Raw = message.Span{Off: uint32(i), End: uint32(next)}
	r.FieldsAt = message.Span{Off: uint32(lines), End: uint32(end)}
	r.Major = 1
	return next, FinishRequest(r)
}

func tooLarge(buf []byte, limits *Limits) *Fault {
	if len(buf) >= limits.head() {
		return FaultHeadSize
	}
	return nil
}

// ParseRequestLine reads the line that begins at i and returns the index after it; 0 when it is not complete.
// RFC 9112 section 3: "request-line = method SP request-target SP HTTP-version"
func ParseRequestLine(buf []byte, i int, r *message.Request, limits *Limits) (int, *Fault) {
	start := i
	i += tokenLen(buf[i:])
	if i-start > 32 {
		return 0, FaultMethod
	}
	if i >= len(buf) {
		return 0, nil
	}
	if buf[i] != ' ' || i == start {
		return 0, FaultRequestLine
	}
	r.MethodName = message.Span{Off: uint32(start), End: uint32(i)}
	r.Method = message.MethodOf(buf[start:i])
	i++
	start = i
	for i < len(buf) && chars[buf[i]]&isTarget != 0 {
		i++
	}
	if i-start > limits.target() {
		return 0, FaultTargetLength
	}
	if i >= len(buf) {
		return 0, nil
	}
	if buf[i] != ' ' || i == start {
		return 0, FaultTarget
	}
	r.Target = message.Span{Off: uint32(start), End: uint32(i)}
	return parseVersion(buf, i+1, &r.Minor)
}

func parseVersion(buf []byte, i int, minor *uint8) (int, *Fault) {
	const version, line = "HTTP/1.1", "HTTP/1.1\r\n"
	for k := 0; k < len(line); k++ {
		if i+k >= len(buf) {
			return 0, nil
		}
		c := buf[i+k]
		switch {
		case k == len(version)-3 || k == len(version)-1:
			if c < '0' || c > '9' {
				return 0, FaultRequestLine
			}
		case c == line[k]:
		case k >= len(version):
			return 0, FaultLineEnd
		default:
			return 0, FaultRequestLine
		}
	}
	major, low := buf[i+5], buf[i+7]
	if major != '1' {
		return 0, FaultVersion
	}
	// RFC 9110 section 2.5: "A recipient that receives a message with a major version number that it implements and a minor version number higher than what it implements SHOULD process the
	// message as if it was in the highest minor version within that major version to which the recipient is conformant."
	*minor = min(low-'0', 1)
	return i + len(line), nil
}

// FinishRequest checks what the fields of r say as a whole, and settles framing, authority, path and query. What other versions have brought into the form of
// this one is held to the same.
func FinishRequest(r *message.Request) *Fault {
	var m framing
	if fault := m.take(&r.Fields, r.Minor); fault != nil {
		return fault
	}
	if r.Method == message.MethodOther {
		// RFC 9113 section 11.6: PRI is "never used by an actual client": it is how a connection of HTTP/2 begins, for whoever takes it for HTTP/1.1.
		if name := r.MethodName.Of(r.Buf); string(name) == "PRI" || message.IsMisspelledMethod(name) {
			return FaultMethod
		}
	}
	host := -1
	r.Expect, r.Trailers = false, false
	for i := range r.List {
		f := &r.List[i]
		switch f.ID {
		case message.FieldOther:
			// Such a name would carry what weir strips past it (Traefik CVE-2026-39858 and its family).
			if message.AliasedField(f.Name.Of(r.Buf)) != message.FieldOther {
				return FaultAlias
			}
		case message.FieldHost:
			// RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
			// that lacks a Host header field and to any request message that contains more than one Host header field line"
			if host >= 0 {
				return FaultHostTwice
			}
			host = i
		case message.FieldExpect:
			// RFC 9110 section 10.1.1: "A server that receives an Expect field value containing a member other than 100-continue
			// MAY respond with a 417 (Expectation Failed)".
			if !message.EqualFold(f.Value.Of(r.Buf), "100-continue") {
				return FaultExpect
			}
			r.Expect = r.Minor >= 1
		case message.FieldTE:
			r.Trailers = r.Trailers || message.HasToken(f.Value.Of(r.Buf), "trailers")
		}
	}
	if host < 0 && r.Minor >= 1 {
		return FaultHostMissing
	}
	r.Framing, r.Length = message.FramingNone, 0
	switch {
	case m.chunked:
		r.Framing = message.FramingChunked
	case m.hasLength && m.length > 0:
		r.Framing, r.Length = message.FramingLength, m.length
	}
	if r.Framing == message.FramingNone {
		r.Expect = false
	}
	r.KeepAlive, r.Names = m.persists(r.Minor), m.named
	r.Upgrade = m.upgrade && m.hasUpgrade && r.Minor >= 1
	return finishTarget(r, host)
}
