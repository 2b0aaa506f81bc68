package exchange

import (
	"bytes"
	"crypto/rand"

	"github.com/weir-proxy/weir/wire/message"
)

// newPseudonym is what a weir calls itself in Via: RFC 9110 section 7.6.3 has a pseudonym in place of a name that is sensitive. Another weir on the way, to which
// pools may chain, has another one.
func newPseudonym() []byte { return []byte("weir-" + rand.Text()[:10]) }

// appendVia says that the request came this way.
// RFC 9110 section 7.6.3: "A proxy MUST send an appropriate Via header field, as described below, in each message that it forwards."
func (x *Exchange) appendVia(b []byte) []byte {
	b = append(b, "Via: "...)
	if x.req.Major > 1 {
		b = append(b, '0'+x.req.Major, ' ')
	} else {
		b = append(b, "1."...)
		b = append(b, '0'+x.req.Minor, ' ')
	}
	b = append(b, x.driver.pseudonym...)
	return append(b, "\r\n"...)
}

// hasComeBack reports whether the request has been here before: a pool's server leads back to this weir.
func (x *Exchange) hasComeBack() bool {
	f := &x.req.Fields
	for i := range f.List {
		if f.List[i].ID == message.FieldVia && bytes.Contains(f.ValueOf(i), x.driver.pseudonym) {
			return true
		}
	}
	return false
}
