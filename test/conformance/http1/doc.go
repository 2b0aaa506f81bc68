// Package http1 holds weir to HTTP/1.1 from outside: malformed requests, hostile servers, and generated smuggling
// attempts, sent raw to a running weir with a recording server behind it.
//
// The cases are data, in testdata/requests and testdata/responses, one file per class: bytes and what must come of
// them, written from RFC 9110 and RFC 9112 and from the attacks that other proxies fell to. What must hold for every one of them:
//
//   - a client's fault is answered in the 4xx class (501 and 505 where the RFC names them), the connection is
//     closed, and nothing of the request or of what follows it has reached the server;
//   - a server's fault is a 502 or a cut connection, and the server connection is not used again;
//   - the next good request on a new connection is answered, with its own answer;
//   - what reached the server is divided into the same requests by package net/http, by Node's llhttp, and by the
//     answers that the client got.
//
// A peer can be put in weir's place, to see how it does:
//
//	go test ./test/conformance/http1 -subject nginx
//	go test ./test/conformance/http1 -subject haproxy
//
// Called by go test.
package http1
