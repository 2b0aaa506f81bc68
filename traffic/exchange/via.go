package exchange

import (
	"bytes"
	"crypto/rand"

	"github.com/weir-proxy/weir/wire/message"
)

// newPseudonym is what a weir calls itself in CDN-Loop and Via: RFC 9110 section 7.6.3 has a pseudonym in place of a name that is sensitive. Another weir on the
// way, to which pools may chain, has another one.
func newPseudonym() []byte { return []byte("weir-" + rand.Text()[:10]) }

// appendTraces marks the request, so that weir knows it if it comes back. CDN-Loop (RFC 8586) is made for that, and unlike Via it changes nothing for servers: as it
// comes, nginx compresses no answer to a request with Via. A client that has learnt the mark can only have its own requests refused with it.
func (x *Exchange) appendTraces(b []byte) []byte {
	if !x.request.route.RequestHeaders.Removes("CDN-Loop") {
		b = append(b, "CDN-Loop: "...)
		b = append(b, x.driver.pseudonym...)
		b = append(b, "\r\n"...)
	}
	if x.request.route.Via && !x.request.route.RequestHeaders.Removes("Via") {
		b = x.appendVia(b)
	}
	return b
}

// appendVia says that the request came this way.
// RFC 9110 section 7.6.3: "A proxy MUST send an appropriate Via header field, as described below, in each message that it forwards." Like other reverse proxies weir does so only
// where the operator wants it.
func (x *Exchange) appendVia(b []byte) []byte {
	b = append(b, "Via: "...)
	if x.request.head.Major > 1 {
		b = append(b, '0'+x.request.head.Major, ' ')
	} else {
		b = append(b, "1."...)
		b = append(b, '0'+x.request.head.Minor, ' ')
	}
	b = append(b, x.driver.pseudonym...)
	return append(b, "\r\n"...)
}

// hasComeBack reports whether the request has been here before: a pool's server leads back to this weir.
func (x *Exchange) hasComeBack() bool {
	f := &x.request.head.Fields
	for i := range f.List {
		if id := f.List[i].ID; (id == message.FieldCDNLoop || id == message.FieldVia) && bytes.Contains(f.ValueOf(i), x.driver.pseudonym) {
			return true
		}
	}
	return false
}
