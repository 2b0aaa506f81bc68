package exchange

import (
	"bytes"

	"github.com/weir-proxy/weir/wire/message"
)

// hint tells the client at once what the page it asks for had others load (RFC 8297). Browsers take that for pages they go to, and by HTTP/2 and HTTP/3: of HTTP/1.1
// too many clients take any interim answer for the answer. It is no beginning of the answer: the request may still be sent again.
func (x *Exchange) hint() {
	if x.session.stream == nil || !x.mayHint() || !isNavigation(x.request.head.Lookup("sec-fetch-mode")) {
		return
	}
	lines := x.request.route.Hints.Of(x.at.loop.Index, x.page(), x.at.loop.Now())
	if lines == "" {
		return
	}
	b := append(x.scratch(), "HTTP/1.1 103 Early Hints\r\n"...)
	b = append(append(b, lines...), "\r\n"...)
	x.sent += int64(len(b))
	x.interimToClient(b) // a client that is gone is found so by the answer
}

// isNavigation reports whether a browser goes to the page, as far as it says.
func isNavigation(mode []byte) bool { return mode == nil || message.EqualFold(mode, "navigate") }

// mayHint reports whether what is asked for is the same for everybody.
func (x *Exchange) mayHint() bool {
	return x.request.head.Method == message.MethodGET && !x.request.head.Upgrade && x.request.head.Get(message.FieldAuthorization) == nil
}

// page is by what hints are kept: links may tell the site's name and port. Good until the loop's scratch is used again.
func (x *Exchange) page() []byte {
	b := append(x.at.detail[:0], x.scheme()...)
	b = append(append(b, ':'), x.request.head.Authority.Of(x.request.head.Buf)...)
	b = append(b, x.request.path...)
	x.at.detail = b
	return b
}

// learnHints takes from an answer's head, as the client gets it, the links that are worth a hint. What only one client is to see is no hint for others, and takes
// those that were learnt away.
func (x *Exchange) learnHints(head []byte) {
	if x.response.status != 200 || !x.mayHint() || !hasType(x.response.head.Get(message.FieldContentType), "text/html") {
		return
	}
	var lines []byte
	if x.isForAll() {
		lines = appendHints(nil, head)
	}
	x.request.route.Hints.Learn(x.at.loop.Index, x.page(), lines, x.at.loop.Now())
}

// isForAll reports whether the answer says nothing against being the same for everybody.
func (x *Exchange) isForAll() bool {
	f := &x.response.head.Fields
	for i := range f.List {
		v := f.ValueOf(i)
		switch name := f.List[i].Name.Of(x.response.head.Buf); {
		case message.EqualFold(name, "cache-control"):
			if hasDirective(v, "private") || hasDirective(v, "no-store") {
				return false
			}
		case message.EqualFold(name, "vary"):
			if message.HasToken(v, "cookie") || message.HasToken(v, "authorization") || message.HasToken(v, "*") {
				return false
			}
		}
	}
	return true
}

// hasDirective reports whether a Cache-Control has the directive, with or without names of fields.
func hasDirective(v []byte, name string) bool {
	for len(v) > 0 {
		var item []byte
		item, v = message.NextItem(v)
		if len(item) >= len(name) && message.EqualFold(item[:len(name)], name) && (len(item) == len(name) || item[len(name)] == '=') {
			return true
		}
	}
	return false
}

// appendHints appends, as field lines, those links of a head that are to be loaded or connected to in advance.
func appendHints(b, head []byte) []byte {
	const field = "link:"
	for at := bytes.IndexByte(head, '\n') + 1; at < len(head) && head[at] != '\r'; {
		end := at + bytes.IndexByte(head[at:], '\n') + 1
		if line := head[at:end]; len(line) > len(field) && message.EqualFold(line[:len(field)], field) {
			for v := line[len(field):]; len(v) > 0; {
				var link []byte
				if link, v = nextLink(v); isHint(link) {
					b = append(append(append(b, "Link: "...), link...), "\r\n"...)
				}
			}
		}
		at = end
	}
	return b
}

// nextLink takes the first link off a field's value: commas within "<…>" and quotes separate none.
func nextLink(v []byte) (link, rest []byte) {
	inTarget, inQuotes := false, false
	for i, c := range v {
		switch {
		case inQuotes:
			inQuotes = c != '"' || v[i-1] == '\\'
		case inTarget:
			inTarget = c != '>'
		case c == '"':
			inQuotes = true
		case c == '<':
			inTarget = true
		case c == ',':
			return bytes.TrimSpace(v[:i]), v[i+1:]
		}
	}
	return bytes.TrimSpace(v), nil
}

// isHint reports whether a link has one of the relations that browsers follow early.
func isHint(link []byte) bool {
	target := bytes.IndexByte(link, '>')
	if len(link) == 0 || link[0] != '<' || target < 0 {
		return false
	}
	for rest := link[target+1:]; len(rest) > 0; {
		var parameter []byte
		parameter, rest = nextParameter(rest)
		name, value, _ := bytes.Cut(parameter, []byte("="))
		if !message.EqualFold(bytes.TrimSpace(name), "rel") {
			continue
		}
		for relation := range bytes.FieldsSeq(bytes.Trim(bytes.TrimSpace(value), `"`)) {
			if message.EqualFold(relation, "preload") || message.EqualFold(relation, "modulepreload") || message.EqualFold(relation, "preconnect") {
				return true
			}
		}
		return false // RFC 8288 section 3.3: "occurrences after the first MUST be ignored by parsers"
	}
	return false
}

// nextParameter takes the first of a link's parameters, which quotes may hold together.
func nextParameter(v []byte) (parameter, rest []byte) {
	inQuotes := false
	for i, c := range v {
		switch {
		case c == '"' && (i == 0 || v[i-1] != '\\'):
			inQuotes = !inQuotes
		case c == ';' && !inQuotes:
			return bytes.TrimSpace(v[:i]), v[i+1:]
		}
	}
	return bytes.TrimSpace(v), nil
}
