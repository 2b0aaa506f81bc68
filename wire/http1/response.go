package http1

import "github.com/weir-proxy/weir/wire/message"

// ParseResponse reads the response head at the start of buf into r and returns its length in bytes; 0 when it is not complete. method
// is that of the request it answers: it decides whether there is a body. Servers that send hundreds of Set-Cookie or Link
// lines exist: their number is bounded by the head's size alone. r keeps spans into buf; r.List is reused.
func ParseResponse(buf []byte, r *message.Response, method message.Method, limits *Limits) (int, *Fault) {
	return parseResponse(buf, r, method, limits, 599)
}

// ParseTolerantly is ParseResponse for what AppendMended has made. Statuses up to 999 pass.
func ParseTolerantly(buf []byte, r *message.Response, method message.Method, limits *Limits) (int, *Fault) {
	return parseResponse(buf, r, method, limits, 999)
}

func parseResponse(buf []byte, r *message.Response, method message.Method, limits *Limits, statusMost int) (int, *Fault) {
	lines, fault := parseStatusLine(buf, r, statusMost)
	if fault != nil {
		return 0, fault
	}
	if lines == 0 {
		return 0, tooLarge(buf, limits)
	}
	end, next, fault := parseFields(buf, lines, &r.Fields, limits.responseFields())
	if fault != nil {
		return 0, fault
	}
	if next == 0 {
		return 0, tooLarge(buf, limits)
	}
	if next > limits.head() {
		return 0, FaultHeadSize
	}
	r.Raw = message.Span{Off: 0, End: uint32(next)}
	r.FieldsAt = message.Span{Off: uint32(lines), End: uint32(end)}
	r.Major = 1
	if fault := FinishResponse(r, method); fault != nil {
		return 0, fault
	}
	return next, nil
}

// FinishResponse checks what the fields of r say as a whole and settles its framing.
func FinishResponse(r *message.Response, method message.Method) *Fault {
	var m framing
	if fault := m.take(&r.Fields, r.Minor); fault != nil {
		return fault
	}
	r.KeepAlive, r.Names = m.persists(r.Minor), m.named
	r.Upgrade = m.upgrade && m.hasUpgrade
	r.Framing, r.Length = responseFraming(r, method, &m)
	if r.Framing == message.FramingUntilClose {
		r.KeepAlive = false
	}
	return nil
}

// responseFraming is RFC 9112 section 6.3.
func responseFraming(r *message.Response, method message.Method, m *framing) (message.Framing, int64) {
	switch {
	// "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified) status
	// code is always terminated by the first empty line after the header fields"
	case method == message.MethodHEAD, r.Status < 200, r.Status == 204, r.Status == 304:
		return message.FramingNone, m.length
	case m.chunked:
		return message.FramingChunked, 0
	case m.hasLength && m.length == 0:
		return message.FramingNone, 0
	case m.hasLength:
		return message.FramingLength, m.length
	}
	return message.FramingUntilClose, 0
}

// parseStatusLine returns the index after the line; 0 when it is not complete.
// RFC 9112 section 4: "status-line = HTTP-version SP status-code SP [ reason-phrase ]"
func parseStatusLine(buf []byte, r *message.Response, statusMost int) (int, *Fault) {
	const prefix = "HTTP/1."
	for i := range min(len(buf), len(prefix)) {
		if buf[i] != prefix[i] {
			return 0, FaultStatusLine
		}
	}
	const fixed = len("HTTP/1.1 200")
	if len(buf) < fixed+2 {
		return 0, nil
	}
	if buf[7] != '0' && buf[7] != '1' || buf[8] != ' ' {
		return 0, FaultStatusLine
	}
	r.Minor = buf[7] - '0'
	r.Status = 0
	for _, c := range buf[9:12] {
		if c < '0' || c > '9' {
			return 0, FaultStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || r.Status > statusMost {
		return 0, FaultStatusLine
	}
	i := fixed
	start := i
	// "A server MUST send the space that separates the status-code from the reason-phrase even when the reason-phrase is absent";
	// servers that do not are common and nothing is ambiguous.
	if buf[i] == ' ' {
		i++
		start = i
		for i < len(buf) && chars[buf[i]]&isValue != 0 {
			i++
		}
	}
	r.Reason = message.Span{Off: uint32(start), End: uint32(i)}
	switch {
	case i < len(buf) && buf[i] != '\r':
		return 0, FaultStatusLine
	case i+1 >= len(buf):
		return 0, nil
	case buf[i+1] != '\n':
		return 0, FaultLineEnd
	}
	return i + 2, nil
}
