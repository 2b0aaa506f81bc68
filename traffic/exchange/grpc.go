package exchange

import (
	"strconv"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/message"
)

// grpcStatus is how gRPC clients are told of an answer of weir's own: those of https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, and
// for a deadline that has passed the status that says so.
func (x *Exchange) grpcStatus() int {
	const (
		deadlineExceeded = 4
		unknown          = 2
		internal         = 13
		permissionDenied = 7
		unimplemented    = 12
		unavailable      = 14
		unauthenticated  = 16
		exhausted        = 8
	)
	switch {
	case x.reason == reason.RequestTimeout || x.reason == reason.ResponseTimeout:
		return deadlineExceeded
	case x.response.status == 413 || x.response.status == 431:
		return exhausted
	}
	switch x.response.status {
	case 400:
		return internal
	case 401:
		return unauthenticated
	case 403:
		return permissionDenied
	case 404:
		return unimplemented
	case 429, 502, 503, 504:
		return unavailable
	}
	return unknown
}

// isGRPC reports whether the client speaks gRPC.
func (x *Exchange) isGRPC() bool {
	if x.request.headLen == 0 || x.request.head.Method != message.MethodPOST || !x.client.stream.TakesTrailers() {
		return false
	}
	return isGRPCType(x.request.head.Get(message.FieldContentType))
}

// isGRPCType reports whether a Content-Type is gRPC's: application/grpc, maybe with what messages are made of behind a "+". gRPC-Web is another.
func isGRPCType(kind []byte) bool {
	const grpc = "application/grpc"
	if len(kind) < len(grpc) || !message.EqualFold(kind[:len(grpc)], grpc) {
		return false
	}
	return len(kind) == len(grpc) || kind[len(grpc)] == '+' || kind[len(grpc)] == ';'
}

// appendGRPC makes of an answer of weir's own one that gRPC clients understand: a head that is trailers too (Trailers-Only), with status 200.
func (x *Exchange) appendGRPC(b []byte) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\n"...)
	b = append(b, x.at.dateLine()...)
	b = append(b, "Content-Type: application/grpc\r\nGrpc-Status: "...)
	b = strconv.AppendInt(b, int64(x.grpcStatus()), 10)
	b = append(b, "\r\nGrpc-Message: "...)
	b = strconv.AppendInt(b, int64(x.response.status), 10)
	b = append(b, ' ')
	b = append(b, message.ReasonPhrase(x.response.status)...)
	if x.response.local.detail != "" {
		b = append(append(b, ": "...), x.response.local.detail...)
	}
	if !x.client.keepAlive {
		b = append(b, "\r\nConnection: close"...)
	}
	return append(b, "\r\n\r\n"...)
}

// grpcLimit is how long a gRPC client waits, in ms; 0 if it does not say, or is none.
func (x *Exchange) grpcLimit() int64 {
	if !x.isGRPC() {
		return 0
	}
	return grpcTimeout(x.request.head.Lookup("grpc-timeout"))
}

// grpcTimeout is what a client says in grpc-timeout, in ms; 0 if it says nothing, or nothing that can be understood. "TimeoutValue → {positive integer as ASCII
// string of at most 8 digits}", and a unit.
func grpcTimeout(v []byte) int64 {
	if len(v) < 2 || len(v) > 9 {
		return 0
	}
	n := int64(0)
	for _, c := range v[:len(v)-1] {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	switch v[len(v)-1] {
	case 'H':
		return n * 3600_000
	case 'M':
		return n * 60_000
	case 'S':
		return n * 1000
	case 'm':
		return max(n, 1)
	case 'u':
		return max(n/1000, 1)
	case 'n':
		return max(n/1_000_000, 1)
	}
	return 0
}
