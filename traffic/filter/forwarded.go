package filter

import (
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
	Peer      netip.Addr // the connection's other end
	PeerText  []byte     // the same as text, empty if it has no address
	IsTrusted bool       // Peer is a trusted proxy: what it says is kept and continued
	Scheme    string
	Authority []byte // the Host that was asked for
	HostStays bool   // the server gets it as its Host
}

// ClientOf finds the client: the peer, or whom a trusted proxy names. The rightmost address that is not a trusted proxy's is the last
// that somebody trusted has seen; X-Forwarded-For is asked before Forwarded.
func ClientOf(f *message.Fields, peer netip.Addr, trusted *Networks) (client netip.Addr, isTrusted bool) {
	if !trusted.Contains(peer) {
		return peer, false
	}
	id, read := message.FieldXForwardedFor, parsePlain
	if !f.Has(id) {
		id, read = message.FieldForwarded, parseForwarded
	}
	client = peer
	for i := len(f.List) - 1; i >= 0; i-- {
		if f.List[i].ID != id {
			continue
		}
		for rest := f.ValueOf(i); len(rest) > 0; {
			var item []byte
			item, rest = lastItem(rest)
			a, ok := read(item)
			if !ok {
				return client, true
			}
			if client = a; !trusted.Contains(client) {
				return client, true
			}
		}
	}
	return client, true
}

// lastItem cuts the last item off a comma-separated list.
func lastItem(list []byte) (item, rest []byte) {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == ',' {
			return message.TrimOWS(list[i+1:]), list[:i]
		}
	}
	return message.TrimOWS(list), nil
}

func parsePlain(item []byte) (netip.Addr, bool) {
	a, err := netip.ParseAddr(string(item))
	return a.Unmap().WithZone(""), err == nil
}

// parseForwarded reads the for parameter of a forwarded-element: an address, in quotes and brackets if it is IPv6, maybe with a
// port (RFC 7239 section 6). What is obfuscated or unknown ends the search.
func parseForwarded(element []byte) (netip.Addr, bool) {
	for len(element) > 0 {
		end := 0
		for end < len(element) && element[end] != ';' {
			end++
		}
		pair := message.TrimOWS(element[:end])
		element = element[min(end+1, len(element)):]
		if len(pair) < 5 || !message.EqualFold(pair[:4], "for=") {
			continue
		}
		v := string(pair[4:])
		if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		if ap, err := netip.ParseAddrPort(v); err == nil {
			return ap.Addr().Unmap(), true
		}
		if len(v) > 1 && v[0] == '[' && v[len(v)-1] == ']' {
			v = v[1 : len(v)-1]
		}
		return parsePlain([]byte(v))
	}
	return netip.Addr{}, false
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
	if len(h.PeerText) > 0 {
		b = append(b, "X-Forwarded-For: "...)
		b = h.appendSaid(b, message.FieldXForwardedFor)
		b = append(b, h.PeerText...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "X-Forwarded-Proto: "...)
	b = append(b, h.Scheme...)
	b = append(b, "\r\n"...)
	host := h.Authority
	if !h.IsTrusted && h.HostStays {
		return b // the server has it as Host
	}
	if v := h.Fields.Get(message.FieldXForwardedHost); h.IsTrusted && len(v) > 0 {
		host = v
	}
	if len(host) == 0 {
		return b
	}
	b = append(b, "X-Forwarded-Host: "...)
	b = append(b, host...)
	return append(b, "\r\n"...)
}

// appendSaid appends what a trusted proxy said in a field, each value with ", " behind it.
func (h *Hop) appendSaid(b []byte, id message.FieldID) []byte {
	if !h.IsTrusted {
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

// appendRFC7239 appends Forwarded: for=…;proto=…;host=…. An IPv6 address is "enclosed in square brackets" and quoted (section 6).
func (h *Hop) appendRFC7239(b []byte) []byte {
	b = append(b, "Forwarded: "...)
	b = h.appendSaid(b, message.FieldForwarded)
	switch {
	case len(h.PeerText) == 0:
		b = append(b, "for=unknown"...)
	case h.Peer.Is4():
		b = append(b, "for="...)
		b = append(b, h.PeerText...)
	default:
		b = append(b, `for="[`...)
		b = append(b, h.PeerText...)
		b = append(b, `]"`...)
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
