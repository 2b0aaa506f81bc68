package http1

import "github.com/weir-proxy/weir/wire/message"

// finishTarget splits the target and settles the authority. host is the index of the Host field, -1 if there is none.
func finishTarget(r *message.Request, host int) *Fault {
	r.Authority = message.Span{}
	if host >= 0 {
		r.Authority = r.List[host].Value
		if !isAuthority(r.Authority.Of(r.Buf)) {
			return FaultHost
		}
	}
	t := r.Target
	b := t.Of(r.Buf)
	switch {
	case r.Method == message.MethodCONNECT:
		// A reverse proxy opens no tunnels to where a client names (SSRF).
		return FaultConnectMethod
	case b[0] == '/':
		return splitPath(r, t)
	case len(b) == 1 && b[0] == '*':
		// RFC 9112 section 3.2.4: the asterisk-form is only used for a server-wide OPTIONS request.
		if r.Method != message.MethodOPTIONS {
			return FaultTarget
		}
		r.Path, r.Query, r.HasQuery = t, message.Span{}, false
		return nil
	}
	return absoluteForm(r, b, host)
}

// absoluteForm takes the authority out of "http://host/path".
// RFC 9112 section 3.2.2: "When an origin server receives a request with an absolute-form of request-target, the origin server MUST ignore the received Host header field
// (if any) and instead use the host information of the request-target." The field's value becomes that of the target, so nothing behind weir reads another.
func absoluteForm(r *message.Request, b []byte, host int) *Fault {
	skip := 0
	switch {
	case len(b) > 7 && message.EqualFold(b[:7], "http://"):
		skip = 7
	case len(b) > 8 && message.EqualFold(b[:8], "https://"):
		skip = 8
	default:
		return FaultTarget
	}
	end := skip
	for end < len(b) && b[end] != '/' && b[end] != '?' {
		end++
	}
	authority := message.Span{Off: r.Target.Off + uint32(skip), End: r.Target.Off + uint32(end)}
	if !isAuthority(authority.Of(r.Buf)) {
		return FaultTarget
	}
	r.Authority = authority
	if host >= 0 {
		r.List[host].Value = authority
	}
	rest := message.Span{Off: authority.End, End: r.Target.End}
	if rest.Len() == 0 || b[end] == '?' {
		// An empty path means "/"; the exchange writes it so.
		r.Path = message.Span{Off: rest.Off, End: rest.Off}
		r.HasQuery = rest.Len() > 0
		r.Query = message.Span{Off: rest.Off, End: rest.End}
		if r.HasQuery {
			r.Query.Off++
		}
		return nil
	}
	return splitPath(r, rest)
}

func splitPath(r *message.Request, t message.Span) *Fault {
	b := t.Of(r.Buf)
	q := 0
	for q < len(b) && b[q] != '?' {
		if chars[b[q]]&isPath == 0 {
			return FaultPath
		}
		q++
	}
	r.Path = message.Span{Off: t.Off, End: t.Off + uint32(q)}
	r.HasQuery = q < len(b)
	r.Query = message.Span{Off: t.End, End: t.End}
	if r.HasQuery {
		r.Query.Off = t.Off + uint32(q) + 1
	}
	return nil
}

// isAuthority checks uri-host [ ":" port ] (RFC 9110 section 7.2): no userinfo, no comma, no path.
func isAuthority(b []byte) bool {
	if len(b) == 0 || len(b) > 260 {
		return false
	}
	i := 0
	if b[0] == '[' {
		for i < len(b) && b[i] != ']' {
			if c := b[i]; i > 0 && hexValue(c) < 0 && c != ':' && c != '.' {
				return false
			}
			i++
		}
		if i >= len(b) || i < 3 {
			return false
		}
		i++
	} else {
		for i < len(b) && chars[b[i]]&isHost != 0 {
			// A name with an empty label is read differently by servers: "a..example", ".example".
			if b[i] == '.' && (i == 0 || b[i-1] == '.') {
				return false
			}
			i++
		}
		if i == 0 {
			return false
		}
	}
	if i == len(b) {
		return true
	}
	if b[i] != ':' || len(b)-i > 6 {
		return false
	}
	port := 0
	for _, c := range b[i+1:] {
		if c < '0' || c > '9' {
			return false
		}
		port = port*10 + int(c-'0')
	}
	return port <= 65535
}
