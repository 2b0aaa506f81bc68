package filter

import (
	"bytes"
	"net/netip"

	"github.com/weir-proxy/weir/wire/message"
)

// Forwarded says in which fields servers learn who the client is.
type Forwarded uint8

const (
	ForwardedX   Forwarded = iota // X-Forwarded-For, -Proto, -Host
	ForwardedRFC                  // Forwarded (RFC 7239)
	ForwardedBoth
	ForwardedNone
)

// ForwardedModes are the words of listeners.NAME.forwarded.
func ForwardedModes() map[string]Forwarded {
	return map[string]Forwarded{"x_forwarded": ForwardedX, "rfc7239": ForwardedRFC, "both": ForwardedBoth, "off": ForwardedNone}
}

// Hop is what is known of the way to weir. All bytes are borrowed.
type Hop struct {
	Fields    *message.Fields
	Peer      netip.Addr  // the connection's other end
	PeerText  []byte      // the same as text, empty if it has no address
	Source    Source      // in which fields trusted proxies speak
	Told      *Told       // what they say, which is kept and continued
	Edit      *HeaderEdit // the route's: what it removes or sets is not added
	Scheme    string
	Authority []byte // the Host that was asked for
	HostStays bool   // the server gets it as its Host
}

// Source says in which fields trusted proxies tell of the client. All is taken from it, and nothing from the other.
type Source uint8

const (
	SourceX   Source = iota // X-Forwarded-For, -Proto, -Host and -Port
	SourceRFC               // Forwarded (RFC 7239)
)

// Sources are the words of listeners.NAME.trusted_fields.
func Sources() map[string]Source {
	return map[string]Source{"x_forwarded": SourceX, "rfc7239": SourceRFC}
}

// Told is what is known of the client's own request. All bytes are borrowed.
type Told struct {
	Client    netip.Addr // the peer, or whom a trusted proxy names
	IsTrusted bool       // the peer is a trusted proxy; the other fields are empty unless it is
	Scheme    string     // http, https or ""
	Authority []byte     // what the client asked for, nil if it is not told
	Host      []byte     // of Authority, an IPv6 address in its brackets
	Port      []byte     // of Authority, or told by itself; nil if it is not told
}

// Read finds out what trusted proxies tell of the client. The client is the rightmost address that is not a trusted proxy's: the last that
// somebody trusted has seen. Scheme, host and port are those of the same hop.
func (s Source) Read(f *message.Fields, peer netip.Addr, trusted *Networks) Told {
	t := Told{Client: peer}
	if trusted == nil || !trusted.Contains(peer) {
		return t
	}
	t.IsTrusted = true
	if s == SourceRFC {
		t.readRFC(f, trusted)
	} else {
		t.readX(f, trusted)
	}
	return t
}

func (t *Told) readX(f *message.Fields, trusted *Networks) {
	hops := 0
	eachFromRight(f, message.FieldXForwardedFor, func(item []byte) bool {
		hops++
		a, ok := parseNode(item)
		if ok {
			t.Client = a
		}
		return ok && trusted.Contains(a)
	})
	hops = max(1, hops)
	t.setScheme(nthFromRight(f, message.FieldXForwardedProto, hops))
	t.setAuthority(nthFromRight(f, message.FieldXForwardedHost, hops))
	if port := nthFromRight(f, message.FieldXForwardedPort, hops); isPort(port) {
		t.Port = port
	}
}

func (t *Told) readRFC(f *message.Fields, trusted *Networks) {
	var last []byte
	eachFromRight(f, message.FieldForwarded, func(element []byte) bool {
		last = element
		a, ok := parseNode(parameterOf(element, "for"))
		if ok {
			t.Client = a
		}
		return ok && trusted.Contains(a)
	})
	t.setScheme(parameterOf(last, "proto"))
	t.setAuthority(parameterOf(last, "host"))
}

func (t *Told) setScheme(said []byte) {
	switch {
	case message.EqualFold(said, "https"):
		t.Scheme = "https"
	case message.EqualFold(said, "http"):
		t.Scheme = "http"
	}
}

func (t *Told) setAuthority(said []byte) {
	if host, port, ok := SplitAuthority(said); ok {
		t.Authority, t.Host, t.Port = said, host, port
	}
}

func isPort(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) < 6
}

// eachFromRight gives the items of a list-valued field from the last to the first, until give returns false.
func eachFromRight(f *message.Fields, id message.FieldID, give func(item []byte) bool) {
	for i := len(f.List) - 1; i >= 0; i-- {
		if f.List[i].ID != id {
			continue
		}
		for rest := f.ValueOf(i); len(rest) > 0; {
			var item []byte
			if item, rest = lastItem(rest); !give(item) {
				return
			}
		}
	}
}

// nthFromRight is the nth item of a list-valued field, counted from the right from 1; the first one if there are not so many, and nil if there is none.
func nthFromRight(f *message.Fields, id message.FieldID, n int) (found []byte) {
	eachFromRight(f, id, func(item []byte) bool {
		found = item
		n--
		return n > 0
	})
	return found
}

// lastItem cuts the last item off a comma-separated list; commas in quotes are no separators.
func lastItem(list []byte) (item, rest []byte) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return message.TrimOWS(list[i+1:]), list[:i]
		}
	}
	return message.TrimOWS(list), nil
}

// parsePlain reads an address. One of IPv4, as nearly all are, costs no allocation.
func parsePlain(item []byte) (netip.Addr, bool) {
	if a, ok := parseIPv4(item); ok {
		return a, true
	}
	a, err := netip.ParseAddr(string(item))
	return a.Unmap().WithZone(""), err == nil
}

// parseIPv4 reads four decimal numbers with dots between them, without leading zeros.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var parts [4]byte
	at, value, digits := 0, 0, 0
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9' && (digits == 0 || value > 0):
			if value, digits = value*10+int(c-'0'), digits+1; value > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && at < 3:
			parts[at] = byte(value)
			at, value, digits = at+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	parts[at&3] = byte(value)
	return netip.AddrFrom4(parts), at == 3 && digits > 0
}

// parameterOf is the value of a forwarded-element's parameter, without quotes; nil if it is not there (RFC 7239 section 4).
func parameterOf(element []byte, name string) []byte {
	for len(element) > 0 {
		end, quoted := 0, false
		for end < len(element) && (element[end] != ';' || quoted) {
			quoted = quoted != (element[end] == '"')
			end++
		}
		pair := message.TrimOWS(element[:end])
		element = element[min(end+1, len(element)):]
		if len(pair) <= len(name) || pair[len(name)] != '=' || !message.EqualFold(pair[:len(name)], name) {
			continue
		}
		v := pair[len(name)+1:]
		if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		return v
	}
	return nil
}

// parseNode reads whom a forwarded-element, or an item of X-Forwarded-For, is about: an address, in brackets if it is IPv6, maybe with a port (RFC 7239 section 6; Azure's Application Gateway
// appends one in X-Forwarded-For too). What is obfuscated or unknown ends the search.
func parseNode(node []byte) (netip.Addr, bool) {
	if a, ok := parseIPv4(node); ok {
		return a, true
	}
	if bytes.IndexByte(node, ':') != bytes.LastIndexByte(node, ':') && node[0] != '[' { // a plain address of IPv6
		return parsePlain(node)
	}
	if ap, err := netip.ParseAddrPort(string(node)); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if len(node) > 1 && node[0] == '[' && node[len(node)-1] == ']' {
		node = node[1 : len(node)-1]
	}
	return parsePlain(node)
}

// Append appends the field lines that say who the client is.
func (m Forwarded) Append(b []byte, h *Hop) []byte {
	if m == ForwardedX || m == ForwardedBoth {
		b = h.appendX(b)
	}
	if m == ForwardedRFC || m == ForwardedBoth {
		b = h.appendRFC7239(b)
	}
	return b
}

func (h *Hop) appendX(b []byte) []byte {
	if len(h.PeerText) > 0 && !h.Edit.Removes("X-Forwarded-For") {
		b = append(b, "X-Forwarded-For: "...)
		if h.Source == SourceX {
			b = h.appendSaid(b, message.FieldXForwardedFor)
		} else if h.isTold() {
			b = h.Told.Client.AppendTo(b)
			b = append(b, ", "...)
		}
		b = append(b, h.PeerText...)
		b = append(b, "\r\n"...)
	}
	if !h.Edit.Removes("X-Forwarded-Proto") {
		b = append(b, "X-Forwarded-Proto: "...)
		b = append(b, h.Scheme...)
		b = append(b, "\r\n"...)
	}
	host := h.Authority
	if !h.Told.IsTrusted && h.HostStays {
		return b // the server has it as Host
	}
	if len(h.Told.Authority) > 0 {
		host = h.Told.Authority
	}
	if len(host) == 0 || h.Edit.Removes("X-Forwarded-Host") {
		return b
	}
	b = append(b, "X-Forwarded-Host: "...)
	b = append(b, host...)
	return append(b, "\r\n"...)
}

// isTold reports whether a trusted proxy has named another client than itself.
func (h *Hop) isTold() bool { return h.Told.IsTrusted && h.Told.Client != h.Peer }

// appendSaid appends what a trusted proxy said in a field, each value with ", " behind it.
func (h *Hop) appendSaid(b []byte, id message.FieldID) []byte {
	if !h.Told.IsTrusted {
		return b
	}
	for i := range h.Fields.List {
		if h.Fields.List[i].ID != id {
			continue
		}
		if v := h.Fields.ValueOf(i); len(v) > 0 {
			b = append(b, v...)
			b = append(b, ", "...)
		}
	}
	return b
}

// appendRFC7239 appends Forwarded: for=…;proto=…;host=….
func (h *Hop) appendRFC7239(b []byte) []byte {
	if h.Edit.Removes("Forwarded") {
		return b
	}
	b = append(b, "Forwarded: "...)
	if h.Source == SourceRFC {
		b = h.appendSaid(b, message.FieldForwarded)
	} else if h.isTold() {
		b = appendNode(b, h.Told.Client, nil)
		b = append(b, ", "...)
	}
	if len(h.PeerText) == 0 {
		b = append(b, "for=unknown"...)
	} else {
		b = appendNode(b, h.Peer, h.PeerText)
	}
	b = append(b, ";proto="...)
	b = append(b, h.Scheme...)
	if len(h.Authority) > 0 {
		b = append(b, `;host="`...)
		b = append(b, h.Authority...)
		b = append(b, '"')
	}
	return append(b, "\r\n"...)
}

// appendNode appends whom an element is of. RFC 7239 section 6: "an IPv6 address is always enclosed in square brackets", and quoted.
func appendNode(b []byte, a netip.Addr, text []byte) []byte {
	open, shut := `for="[`, `]"`
	if a.Is4() {
		open, shut = "for=", ""
	}
	b = append(b, open...)
	if text != nil {
		b = append(b, text...)
	} else {
		b = a.AppendTo(b)
	}
	return append(b, shut...)
}
