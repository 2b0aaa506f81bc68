package exchange

import (
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/message"
)

// What becomes of an answer's fields: those that belong to the connection or frame the message are weir's own.
var shownFates = [256]fate{
	message.FieldConnection: dropped, message.FieldTransferEncoding: dropped, message.FieldKeepAlive: dropped,
	message.FieldProxyConnection: dropped, message.FieldTE: dropped, message.FieldTrailer: dropped, message.FieldUpgrade: dropped,
	message.FieldContentLength: dropped,
}

// hidingFates are those where servers are hidden: what tells which server or software answered is dropped, and where a server speaks of itself
// it is rewritten.
var hidingFates = func() [256]fate {
	fates := shownFates
	for _, id := range filter.IdentityFields() {
		fates[id] = dropped
	}
	for _, id := range [...]message.FieldID{message.FieldLocation, message.FieldContentLocation, message.FieldLink, message.FieldRefresh,
		message.FieldSetCookie} {
		fates[id] = rewritten
	}
	return fates
}()

// appendResponseFields appends the fields of the server's answer as the client gets them.
func (x *Exchange) appendResponseFields(b []byte) []byte {
	fates := &hidingFates
	if x.request.route.Identity == nil {
		fates = &shownFates
	}
	return x.appendLines(b, &x.response.head.Head, fates, x.request.route.ResponseHeaders)
}

// appendHiding appends a field line in which the server may speak of itself.
func (x *Exchange) appendHiding(b []byte, h *message.Head, f *message.Field) []byte {
	b = append(b, f.Name.Of(h.Buf)...)
	b = append(b, ": "...)
	p := x.public()
	b = x.request.route.Identity.AppendField(b, f.ID, f.Value.Of(h.Buf), &p)
	return append(b, "\r\n"...)
}

// public is how the client sees the site.
func (x *Exchange) public() filter.Public {
	p := filter.Public{IsSecure: x.scheme() == "https", ServerIsSecure: x.request.destination.Transport.TLS != nil, IsServer: x.request.isServer}
	p.Authority, p.Host, p.Port = x.publicHost()
	if a := x.attempt.server.Address.AddrPort; a.IsValid() {
		p.ServerPort = a.Port()
	}
	return p
}
