package accesslog

import (
	"bytes"
	"strconv"
	"time"
)

// field is something of a record that a template may name and W3C's format may have as a column.
type field struct {
	name   string // in braces, and in JSON where that has it
	w3c    string // the column's name; "" for none
	append func(dst []byte, r *Record) []byte
	isText bool // what a client or server has written: it is escaped
}

// fields are all there are. A new one is a row.
var fields = []field{
	{"time", "", func(dst []byte, r *Record) []byte {
		return time.UnixMicro(r.At).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	}, false},
	{"local_time", "", func(dst []byte, r *Record) []byte {
		return time.UnixMicro(r.At).AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	}, false},
	{"date", "date", func(dst []byte, r *Record) []byte { return time.UnixMicro(r.At).UTC().AppendFormat(dst, time.DateOnly) }, false},
	{"clock", "time", func(dst []byte, r *Record) []byte { return time.UnixMicro(r.At).UTC().AppendFormat(dst, time.TimeOnly) }, false},
	{"client", "c-ip", appendClient, false},
	{"peer", "x-peer-ip", func(dst []byte, r *Record) []byte {
		if !r.Peer.IsValid() {
			return dst
		}
		return r.Peer.AppendTo(dst)
	}, false},
	{"peer_port", "c-port", port(func(r *Record) uint16 { return r.PeerPort }), false},
	{"own_port", "x-own-port", port(func(r *Record) uint16 { return r.OwnPort }), false},
	{"dest", "s-dest", func(dst []byte, r *Record) []byte {
		if !r.Dest.Addr().IsValid() {
			return dst
		}
		return r.Dest.AppendTo(dst)
	}, false},
	{"method", "cs-method", text(func(r *Record) []byte { return r.Method }), true},
	{"host", "cs-host", text(func(r *Record) []byte { return r.Host }), true},
	{"target", "cs-uri", text(func(r *Record) []byte { return r.Target }), true},
	{"path", "cs-uri-stem", text(func(r *Record) []byte { path, _, _ := bytes.Cut(r.Target, []byte("?")); return path }), true},
	{"query", "cs-uri-query", text(func(r *Record) []byte { _, query, _ := bytes.Cut(r.Target, []byte("?")); return query }), true},
	{"protocol", "x-protocol", func(dst []byte, r *Record) []byte { return append(dst, r.Protocol.String()...) }, false},
	{"version", "cs-version", func(dst []byte, r *Record) []byte {
		if r.Protocol != HTTP {
			return dst
		}
		return appendVersion(append(dst, "HTTP/"...), r)
	}, false},
	{"status", "sc-status", number(func(r *Record) int64 { return int64(r.Status) }), false},
	{"sent", "sc-bytes", number(func(r *Record) int64 { return r.Sent }), false},
	{"received", "cs-bytes", number(func(r *Record) int64 { return r.Received }), false},
	{"duration_ms", "time-taken", number(func(r *Record) int64 { return max(0, r.Ended) / 1000 }), false},
	{"match_us", "", timing(func(r *Record) int32 { return r.Matched }), false},
	{"send_us", "", timing(func(r *Record) int32 { return r.Connected }), false},
	{"receive_us", "x-receive-us", timing(func(r *Record) int32 { return r.Answered }), false},
	{"finish_us", "", number(func(r *Record) int64 { return r.Ended }), false},
	{"user_agent", "cs(User-Agent)", text(func(r *Record) []byte { return r.UserAgent }), true},
	{"referer", "cs(Referer)", text(func(r *Record) []byte { return r.Referer }), true},
	{"route", "x-route", text(func(r *Record) []byte { return r.Route }), true},
	{"pool", "x-pool", text(func(r *Record) []byte { return r.Pool }), true},
	{"server", "x-server", text(func(r *Record) []byte { return r.Server }), true},
	{"attempts", "x-attempts", number(func(r *Record) int64 { return int64(r.Attempts) }), false},
	{"reason", "x-reason", func(dst []byte, r *Record) []byte { return append(dst, r.Reason.String()...) }, false},
	{"detail", "x-detail", text(func(r *Record) []byte { return r.Detail }), true},
	{"client_cert", "x-client-cert", text(func(r *Record) []byte { return r.ClientCert }), true},
	{"ja4", "x-ja4", text(func(r *Record) []byte { return r.JA4 }), true},
	{"tls", "x-tls", func(dst []byte, r *Record) []byte { return strconv.AppendBool(dst, r.TLS) }, false},
}

func text(of func(*Record) []byte) func([]byte, *Record) []byte {
	return func(dst []byte, r *Record) []byte { return append(dst, of(r)...) }
}

func number(of func(*Record) int64) func([]byte, *Record) []byte {
	return func(dst []byte, r *Record) []byte { return strconv.AppendInt(dst, of(r), 10) }
}

// port is nothing where it is not known.
func port(of func(*Record) uint16) func([]byte, *Record) []byte {
	return func(dst []byte, r *Record) []byte {
		if of(r) == 0 {
			return dst
		}
		return strconv.AppendUint(dst, uint64(of(r)), 10)
	}
}

// timing is microseconds, nothing where the stage was not reached.
func timing(of func(*Record) int32) func([]byte, *Record) []byte {
	return func(dst []byte, r *Record) []byte {
		if of(r) < 0 {
			return dst
		}
		return strconv.AppendInt(dst, int64(of(r)), 10)
	}
}

func fieldOf(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// Variables are the names that a template may have in braces.
func Variables() (names []string) {
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

// Columns are the names of W3C's format.
func Columns() (names []string) {
	for _, f := range fields {
		if f.w3c != "" {
			names = append(names, f.w3c)
		}
	}
	return names
}
