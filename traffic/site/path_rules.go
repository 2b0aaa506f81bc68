package site

import (
	"math/bits"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// PathRules is how the servers of a site read paths. Immutable.
type PathRules struct {
	Resolves message.PathTraits // the servers resolve these, and so do routes and access rules
	Doubts   message.PathTraits // the servers may resolve these or not: both readings must lead to the same route
	Refuses  message.PathTraits // no path may have these
	Folds    bool               // the servers know no case, and neither do routes
}

// DefaultPathRules are for servers of which nothing is known.
func DefaultPathRules() *PathRules {
	return &PathRules{Resolves: message.NormalReading, Doubts: message.Doubtful}
}

// isDefault reports whether the rules find nothing in a path that is normal at a glance.
func (p *PathRules) isDefault() bool {
	const needLook = message.Parameters | message.TrailingDot | message.DataStream | message.Cookieless
	return (p.Resolves|p.Doubts|p.Refuses)&needLook == 0 && !p.Folds
}

// doubtsMost bounds how many kinds of doubt one path may have: each doubles the readings that have to be compared.
const doubtsMost = 3

// PathBuffers are scratch for reading paths. Owned by one exchange.
type PathBuffers struct{ normal, other, folded []byte }

// Normal is the path in the form that rewrites and templates work on; it borrows raw or b.
func (s *Site) Normal(raw []byte, b *PathBuffers) (normal []byte, fault *http1.Fault) {
	if s.paths.isDefault() && message.IsNormalPath(raw) {
		return raw, nil
	}
	normal, _, fault = s.read(raw, b)
	return normal, fault
}

// read reads a path the way the servers certainly do; doubts are the traits that they may read in another way.
func (s *Site) read(raw []byte, b *PathBuffers) (normal []byte, doubts message.PathTraits, fault *http1.Fault) {
	rules := s.paths
	out, found, err := message.AppendReading(b.normal[:0], raw, rules.Resolves)
	if b.normal = out; err != nil {
		return raw, 0, http1.FaultPath
	}
	if found&rules.Doubts != 0 {
		// What double encodings hide is found when they are resolved.
		var hidden message.PathTraits
		b.other, hidden, err = message.AppendReading(b.other[:0], raw, rules.Resolves|rules.Doubts)
		if found |= hidden; err != nil {
			return out, 0, http1.FaultPath
		}
	}
	if found&rules.Refuses != 0 {
		return out, 0, http1.FaultPathRefused
	}
	return out, found & rules.Doubts, nil
}

// Route finds the route of a request by its path as it was received, which must not be empty. normal is the path in the form that rewrites
// and templates work on; it borrows raw or b. q.Path becomes the form that was compared with the routes' patterns. With a fault there is no route.
func (s *Site) Route(q *Query, raw []byte, b *PathBuffers) (r *Route, normal []byte, fault *http1.Fault) {
	if len(s.names) > 0 && s.hasAlias(&q.Request.Fields) {
		return nil, raw, http1.FaultAlias
	}
	if s.paths.isDefault() && message.IsNormalPath(raw) {
		q.Path, normal = raw, raw
		r = s.find(q)
	} else if r, normal, fault = s.routeOf(q, raw, b); fault != nil {
		return nil, normal, fault
	}
	if q.Request.Method == message.MethodTRACE && r != nil && !hasMethod(r.Match.Methods, traceMethod) {
		// RFC 9110 section 9.3.8: "A client MUST NOT generate fields in a TRACE request containing sensitive data that might be disclosed by the response." What is
		// disclosed are the fields that proxies add, and cookies that scripts must not see.
		return nil, normal, http1.FaultTrace
	}
	return r, normal, nil
}

var traceMethod = []byte("TRACE")

func (s *Site) routeOf(q *Query, raw []byte, b *PathBuffers) (r *Route, normal []byte, fault *http1.Fault) {
	normal, doubts, fault := s.read(raw, b)
	if fault != nil {
		return nil, normal, fault
	}
	r = s.findFolded(q, normal, b)
	if doubts == 0 || s.isPathless {
		return r, normal, nil
	}
	if bits.OnesCount16(uint16(doubts)) > doubtsMost || !s.agree(q, raw, r, doubts, b) {
		return nil, normal, http1.FaultPathAmbiguous
	}
	return s.findFolded(q, normal, b), normal, nil
}

// agree reports whether all readings lead to r.
func (s *Site) agree(q *Query, raw []byte, r *Route, doubts message.PathTraits, b *PathBuffers) bool {
	rules := s.paths
	certain := rules.Resolves &^ doubts
	for some := doubts; ; some = (some - 1) & doubts {
		if some|certain != rules.Resolves {
			var err error
			b.other, _, err = message.AppendReading(b.other[:0], raw, certain|some)
			if err != nil || s.findFolded(q, b.other, b) != r {
				return false
			}
		}
		if some == 0 {
			return true
		}
	}
}

// findFolded finds the route of a path in normal form, in lower case if the site knows no case.
func (s *Site) findFolded(q *Query, path []byte, b *PathBuffers) *Route {
	q.Path = path
	if s.paths.Folds {
		b.folded = appendLower(b.folded[:0], path)
		q.Path = b.folded
	}
	return s.find(q)
}

func appendLower(dst, path []byte) []byte {
	for _, c := range path {
		dst = append(dst, message.Lower(c))
	}
	return dst
}

// isPathless reports whether every route takes every path.
func isPathless(routes []*Route) bool {
	for _, r := range routes {
		if p := r.Match.Path; p.kind != pathPrefix || p.text != "" {
			return false
		}
	}
	return true
}
