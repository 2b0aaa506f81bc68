package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Format appends the line of a record to dst.
type Format func(dst []byte, r *Record) []byte

// Formats are the words of logs.access.format.
func Formats() map[string]Format {
	return map[string]Format{"combined": appendCombined, "json": appendJSON}
}

// appendVersion writes 1.1 or 2.0.
func appendVersion(dst []byte, r *Record) []byte {
	return append(dst, '0'+r.Version/10, '.', '0'+r.Version%10)
}

// appendCombined is the format that Apache and nginx call combined.
func appendCombined(dst []byte, r *Record) []byte {
	dst = appendClient(dst, r)
	dst = append(dst, " - - ["...)
	dst = time.UnixMicro(r.At).AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	if len(r.Method) > 0 {
		dst = appendQuoted(dst, r.Method)
		dst = append(dst, ' ')
		dst = appendQuoted(dst, r.Target)
		dst = appendVersion(append(dst, " HTTP/"...), r)
	} else if r.Protocol != HTTP {
		dst = append(dst, r.Protocol.String()...)
		dst = append(dst, ' ')
		dst = appendQuoted(dst, r.Route)
	}
	dst = append(dst, `" `...)
	dst = strconv.AppendUint(dst, uint64(r.Status), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, r.Sent, 10)
	dst = append(dst, ` "`...)
	dst = appendQuoted(dst, orDash(r.Referer))
	dst = append(dst, `" "`...)
	dst = appendQuoted(dst, orDash(r.UserAgent))
	return append(dst, "\"\n"...)
}

func appendClient(dst []byte, r *Record) []byte {
	if !r.Client.IsValid() {
		return append(dst, '-')
	}
	return r.Client.AppendTo(dst)
}

func orDash(b []byte) []byte {
	if len(b) == 0 {
		return []byte("-")
	}
	return b
}

// appendQuoted escapes what could end the quotes, the line, or command a terminal.
func appendQuoted(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c >= 0x7f:
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendJSON writes one object per line. Timings are microseconds from the request's first byte, under the names of the stages.
func appendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"time":"`...)
	dst = time.UnixMicro(r.At).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	dst = append(dst, `","client":"`...)
	dst = appendClient(dst, r)
	dst = append(dst, '"')
	if r.Peer != r.Client && r.Peer.IsValid() {
		dst = append(dst, `,"peer":"`...)
		dst = r.Peer.AppendTo(dst)
		dst = append(dst, '"')
	}
	dst = appendJSONPort(dst, `,"peer_port":`, r.PeerPort)
	dst = appendJSONPort(dst, `,"own_port":`, r.OwnPort)
	for _, t := range [...]struct {
		name  string
		value []byte
	}{{"method", r.Method}, {"host", r.Host}, {"target", r.Target}, {"route", r.Route}, {"pool", r.Pool}, {"server", r.Server},
		{"referer", r.Referer}, {"user_agent", r.UserAgent}, {"detail", r.Detail},
		{"client_cert", r.ClientCert}, {"ja4", r.JA4}} {
		if len(t.value) > 0 {
			dst = append(dst, `,"`...)
			dst = append(dst, t.name...)
			dst = append(dst, `":"`...)
			dst = appendJSONText(dst, t.value)
			dst = append(dst, '"')
		}
	}
	if r.Protocol == HTTP {
		dst = appendVersion(append(dst, `,"version":"`...), r)
		dst = append(dst, `","status":`...)
		dst = strconv.AppendUint(dst, uint64(r.Status), 10)
	} else {
		dst = append(dst, `,"protocol":"`...)
		dst = append(dst, r.Protocol.String()...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, r.Reason.String()...)
	dst = append(dst, '"')
	for _, n := range [...]struct {
		name  string
		value int64
	}{{"sent", r.Sent}, {"received", r.Received}, {"attempts", int64(r.Attempts)}, {"match_us", int64(r.Matched)},
		{"send_us", int64(r.Connected)}, {"receive_us", int64(r.Answered)}, {"finish_us", int64(r.Ended)}} {
		if n.value >= 0 {
			dst = append(dst, `,"`...)
			dst = append(dst, n.name...)
			dst = append(dst, `":`...)
			dst = strconv.AppendInt(dst, n.value, 10)
		}
	}
	if r.TLS {
		dst = append(dst, `,"tls":true`...)
	}
	return append(dst, "}\n"...)
}

func appendJSONPort(dst []byte, name string, port uint16) []byte {
	if port == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, name...), uint64(port), 10)
}

func appendJSONText(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, `\ufffd`...)
			} else {
				dst = append(dst, b[i:i+n]...)
			}
			i += n
		}
	}
	return dst
}
