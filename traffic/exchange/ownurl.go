package exchange

import (
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// Where a server gets another Host or another path than the client has asked for, Referer and Origin name the site as the server knows it, too: it compares them with its Host.
var (
	mappedFates          = withReferer(requestFates)
	untrustedMappedFates = withReferer(untrustedFates)
)

func withReferer(fates [256]fate) [256]fate {
	fates[message.FieldReferer], fates[message.FieldOrigin] = rewritten, rewritten
	return fates
}

// appendOwnURL appends a request's field that may name the site's own URL, the way the server knows it, as Location is mapped in answers.
func (x *Exchange) appendOwnURL(b []byte, f *message.Field) []byte {
	p := filter.Public{IsSecure: x.scheme() == "https"}
	p.Authority, p.Host, p.Port = x.publicHost()
	v := filter.ServerView{IsSecure: x.request.destination.Transport.TLS != nil}
	switch {
	case x.request.route.Host == site.HostNamed:
		x.request.viewBuf = append(x.request.viewBuf[:0], x.request.route.HostName...)
	case x.request.route.Host == site.HostServer || x.request.head.Authority.Len() == 0:
		x.request.viewBuf = append(x.request.viewBuf[:0], x.attempt.server.Name...)
	default:
		x.request.viewBuf = append(x.request.viewBuf[:0], x.request.head.Authority.Of(x.request.head.Buf)...)
	}
	v.Authority = x.request.viewBuf
	b = append(b, f.Name.Of(x.request.head.Buf)...)
	b = append(b, ": "...)
	value := f.Value.Of(x.request.head.Buf)
	if f.ID == message.FieldIf {
		b = filter.AppendOwnURLs(b, value, &p, &v, x.request.route.Paths)
	} else {
		b = filter.AppendOwnURL(b, value, &p, &v, x.request.route.Paths)
	}
	return append(b, "\r\n"...)
}
