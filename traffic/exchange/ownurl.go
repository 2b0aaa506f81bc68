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
	v := filter.ServerView{IsSecure: x.destination.Transport.TLS != nil}
	switch {
	case x.route.Host == site.HostNamed:
		x.viewBuf = append(x.viewBuf[:0], x.route.HostName...)
	case x.route.Host == site.HostServer || x.req.Authority.Len() == 0:
		x.viewBuf = append(x.viewBuf[:0], x.server.Name...)
	default:
		x.viewBuf = append(x.viewBuf[:0], x.req.Authority.Of(x.req.Buf)...)
	}
	v.Authority = x.viewBuf
	b = append(b, f.Name.Of(x.req.Buf)...)
	b = append(b, ": "...)
	value := f.Value.Of(x.req.Buf)
	if f.ID == message.FieldIf {
		b = filter.AppendOwnURLs(b, value, &p, &v, x.route.Paths)
	} else {
		b = filter.AppendOwnURL(b, value, &p, &v, x.route.Paths)
	}
	return append(b, "\r\n"...)
}
