package exchange

import (
	"math/rand/v2"
	"strconv"

	"github.com/weir-proxy/weir/traffic/site"
)

// division is what a split keeps of an exchange, for the cookie.
type division struct {
	split *site.Split // that sets its cookie with the answer; nil: none does
	point uint32
}

// divide is the route that a request of a split route takes.
func (x *Exchange) divide(s *site.Split) *site.Route {
	point, isKnown := x.pointOf(s)
	if !isKnown {
		point = rand.Uint32N(site.Points)
		if s.Cookie != "" {
			x.request.division = division{s, point}
		}
	}
	return s.At(point).Route
}

// pointOf is the point that the client has by its cookie, or by the key.
func (x *Exchange) pointOf(s *site.Split) (uint32, bool) {
	if s.Cookie == "" {
		if s.Key.Kind == site.KeyNone {
			return 0, false
		}
		key, isKnown := x.stayKey(&s.Key)
		return s.PointOf(key), isKnown
	}
	v := cookie(&x.request.head.Fields, s.Cookie)
	n := uint32(0)
	for _, c := range v {
		if c < '0' || c > '9' || n >= site.Points/10 {
			return 0, false
		}
		n = n*10 + uint32(c-'0')
	}
	return n, len(v) > 0
}

// appendDivision appends the cookie that keeps the client where it is.
func (x *Exchange) appendDivision(b []byte) []byte {
	d := &x.request.division
	b = append(b, "Set-Cookie: "...)
	b = append(b, d.split.Cookie...)
	b = append(b, '=')
	b = strconv.AppendUint(b, uint64(d.point), 10)
	b = append(b, "; Path=/; HttpOnly; SameSite=Lax"...)
	if x.scheme() == "https" {
		b = append(b, "; Secure"...)
	}
	return append(b, "\r\n"...)
}
