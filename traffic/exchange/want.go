package exchange

import (
	"crypto/x509"
	"errors"
	"strings"

	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/message"
)

// want is which connection to the server will do. A server that is addressed by IP is asked for by the name that the request is for. What authenticates its connection goes by
// HTTP/1.1: on a connection that many share, everybody would be that user.
func (x *Exchange) want(s *pool.Server, t *transport.Config) (w transport.Want) {
	if t.ByName && s.Host == "" {
		w.Name = x.nameForServer()
	}
	if t.Version != transport.HTTP1 {
		v := x.request.head.Get(message.FieldAuthorization)
		w.HTTP1 = x.attempt.needsHTTP1 || v != nil && authenticates(v)
	}
	return w
}

// nameForServer is the name that the server gets as its Host; "" if it is an address.
func (x *Exchange) nameForServer() string {
	switch x.request.route.Host {
	case site.HostServer:
		return ""
	case site.HostNamed:
		name, _, _ := strings.Cut(x.request.route.HostName, ":")
		return name
	}
	if isAddress(x.request.host) {
		return ""
	}
	if x.request.lastName != string(x.request.host) {
		x.request.lastName = string(x.request.host) // the next request is mostly for the same, and allocates nothing
	}
	return x.request.lastName
}

// isAddress reports whether a host is an IP address and no name.
func isAddress(host []byte) bool {
	for _, c := range host {
		if c == '[' {
			return true
		}
		if c != '.' && (c < '0' || '9' < c) {
			return false
		}
	}
	return true
}

// isNameUnknown reports whether the handshake has failed because the server is not the one that the client has asked for. The client chose the name, so the server is
// not to blame: clients could have every server ejected with names of their own.
func (x *Exchange) isNameUnknown(s *pool.Server, err error) bool {
	var refused interface{ RefusesName() bool }
	var name x509.HostnameError
	return x.request.destination.Transport.ByName && s.Host == "" && (errors.As(err, &name) || errors.As(err, &refused) && refused.RefusesName())
}
