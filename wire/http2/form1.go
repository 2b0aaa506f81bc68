package http2

import (
	"bytes"

	"github.com/weir-proxy/weir/wire/message"
)

// This file takes apart heads that have the form of HTTP/1.1, for what HTTP/2 and HTTP/3 make of them.

// CutRequest takes the head of a request apart, with Host as the first field: host is nil if it is not there, lines are the other fields.
func CutRequest(head []byte) (method, path, host, lines []byte) {
	line := bytes.IndexByte(head, '\r')
	method, rest, _ := bytes.Cut(head[:line], space)
	path = rest[:len(rest)-len(" HTTP/1.1")]
	lines = head[line+2:]
	const name = "Host: "
	if len(lines) > len(name) && message.EqualFold(lines[:len(name)], name) {
		end := bytes.IndexByte(lines, '\r')
		host, lines = lines[len(name):end:end], lines[end+2:]
	}
	return method, path, host, lines
}

var space = []byte(" ")

// CutField takes the first of lines apart.
func CutField(lines []byte) (name, value, rest []byte) {
	colon := bytes.IndexByte(lines, ':')
	end := colon + bytes.IndexByte(lines[colon:], '\r')
	return lines[:colon], message.TrimOWS(lines[colon+1 : end]), lines[end+2:]
}

// secretSpace is a second space before the value of a field that is never to be indexed. RFC 7541 section 6.2.3: "Intermediaries MUST use the same representation for
// encoding this header field"; RFC 9204 section 4.5.4 has the same. A line that is copied carries it from one connection to the other, and to HTTP/1.1 it means
// nothing: every recipient takes any number of spaces there.
const secretSpace = ' '

// IsSecret reports whether the first of lines, its name given, is of a field that is never to be indexed.
func IsSecret(lines, name []byte) bool {
	at := len(name) + len(": ")
	return at < len(lines) && lines[at] == secretSpace && lines[at-1] == ' '
}

// NameMost is the longest name that is looked for in the tables.
const NameMost = 32

// LowerName puts a name of no more than NameMost bytes into room. RFC 9113 section 8.2: "Field names MUST be converted to lowercase when constructing an HTTP/2 message";
// RFC 9114 section 4.2 has the same.
func LowerName(room *[NameMost]byte, name []byte) []byte {
	for i, c := range name {
		room[i] = message.Lower(c)
	}
	return room[:len(name)]
}

// IsOfConnection reports whether a field, its name in lower case, belongs to a connection of HTTP/1.1. RFC 9113 section 8.2.2: "An endpoint MUST NOT generate an HTTP/2
// message containing connection-specific header fields"; RFC 9114 section 4.2 has the same.
func IsOfConnection(name, value []byte) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings", "transfer-encoding":
		return true
	case "te":
		return !message.EqualFold(value, "trailers")
	}
	return false
}
