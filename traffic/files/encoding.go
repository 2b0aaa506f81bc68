package files

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/wire/message"
)

// Encoding is a content coding (RFC 9110 section 8.4.1) that a sibling of a file may have.
type Encoding uint8

const (
	Identity Encoding = iota
	Brotli
	Zstd
	Gzip
)

// all are the codings from the one that is taken when a client likes several as much.
var all = [...]Encoding{Brotli, Zstd, Gzip}

var codings = [...]struct{ name, suffix string }{Identity: {"", ""}, Brotli: {"br", ".br"}, Zstd: {"zstd", ".zst"}, Gzip: {"gzip", ".gz"}}

// String is the word of Content-Encoding.
func (e Encoding) String() string { return codings[e].name }

func (e Encoding) suffix() string { return codings[e].suffix }

func isCompressed(name string) bool {
	for _, e := range all {
		if strings.HasSuffix(name, e.suffix()) {
			return true
		}
	}
	return false
}

// Accept is the codings that a client takes, the best first, two bits each. The zero value is none.
type Accept uint8

func (a Accept) order() (list []Encoding) {
	for ; a != 0; a >>= 2 {
		list = append(list, Encoding(a&3))
	}
	return list
}

// ParseAccept reads the value of Accept-Encoding. RFC 9110 section 12.5.3; what is not understood counts as not accepted.
func ParseAccept(value []byte) Accept {
	var weight [len(codings)]int // thousandths; of what is not named, that of "*"
	var named [len(codings)]bool
	for len(value) > 0 {
		var item []byte
		item, value = message.NextItem(value)
		name, parameters, _ := bytes.Cut(item, []byte(";"))
		name = message.TrimOWS(name)
		q := quality(message.TrimOWS(parameters))
		for _, e := range all {
			switch {
			case message.EqualFold(name, e.String()), e == Gzip && message.EqualFold(name, "x-gzip"):
				weight[e], named[e] = q, true
			case string(name) == "*" && !named[e]:
				weight[e] = q
			}
		}
	}
	var a Accept
	for shift := 0; ; shift += 2 {
		best := Identity
		for _, e := range all {
			if weight[e] > weight[best] {
				best = e
			}
		}
		if best == Identity {
			return a
		}
		a |= Accept(best) << shift
		weight[best] = 0
	}
}

// quality is a weight in thousandths; RFC 9110 section 12.4.2: "If no "q" parameter is present, the default weight is 1."
func quality(parameters []byte) int {
	name, value, found := bytes.Cut(parameters, []byte("="))
	if !found {
		return 1000
	}
	q, err := strconv.ParseFloat(string(message.TrimOWS(value)), 64)
	if !message.EqualFold(message.TrimOWS(name), "q") || err != nil || q < 0 || q > 1 {
		return 0
	}
	return int(q * 1000)
}
