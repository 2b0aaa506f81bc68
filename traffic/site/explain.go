package site

import (
	"fmt"
	"strings"

	"github.com/weir-proxy/weir/traffic/filter"
)

// Explanation is how the site and route of a request were found, for people.
type Explanation struct {
	Site   *Site
	Route  *Route
	Sites  []Candidate // the patterns that take the host, the most specific first
	Routes []Candidate // all routes of the site in the order in which they are asked
}

// Candidate is a site or route that was looked at.
type Candidate struct {
	Name        string
	Route       *Route // nil for a site
	MatchesPath bool   // the host, of a site
	IsTaken     bool
	Why         string
}

// Explain finds what Find finds and says why. It asks every site and route in turn and takes no short cut, so that a test can hold both
// against each other.
func (ix *Index) Explain(q *Query) Explanation {
	var e Explanation
	for _, s := range ix.sites {
		if !s.host.matches(q.Host) {
			continue
		}
		c := Candidate{Name: s.Pattern, MatchesPath: true}
		if e.Site == nil {
			e.Site, c.IsTaken, c.Why = s, true, s.host.describe()
		} else {
			c.Why = fmt.Sprintf("takes the host too, but %q is more specific", e.Site.Pattern)
		}
		e.Sites = append(e.Sites, c)
	}
	if e.Site != nil {
		e.explainRoutes(q)
	}
	return e
}

func (e *Explanation) explainRoutes(q *Query) {
	for _, r := range e.Site.routes {
		c := Candidate{Name: r.Pattern, Route: r, MatchesPath: r.Match.Path.Matches(q.Path)}
		failed := r.Match.check(q)
		switch {
		case !c.MatchesPath:
			c.Why = fmt.Sprintf("path %s does not match", q.Path)
		case failed.kind != holds:
			c.Why = r.Match.describe(failed, q)
		case e.Route == nil:
			e.Route, c.IsTaken, c.Why = r, true, r.Match.describeTaken()
		default:
			c.Why = "would match too, but " + e.Route.Match.whyBefore(&r.Match)
		}
		e.Routes = append(e.Routes, c)
	}
}

func (p *hostPattern) describe() string {
	switch p.kind {
	case hostExact:
		return "is the host exactly"
	case hostWildcard:
		return "takes all hosts below " + p.literal
	case hostGlob:
		return "takes the host as a glob"
	}
	return "takes what no other site does"
}

func (m *Match) describeTaken() string {
	var words []string
	switch m.Path.kind {
	case pathExact:
		words = append(words, "is the path exactly")
	case pathRegexp:
		words = append(words, "the expression matches the path")
	default:
		words = append(words, "is the longest prefix of the path")
	}
	if m.Priority != 0 {
		words[0] = fmt.Sprintf("takes the path, at priority %d", m.Priority)
	}
	if !m.isPlain() {
		words = append(words, "and all its conditions hold")
	}
	return strings.Join(words, ", ")
}

// describe says which condition the request fails, and what it has in its place.
func (m *Match) describe(c condition, q *Query) string {
	switch c.kind {
	case failsMethod:
		return fmt.Sprintf("method %s is not %s", q.Request.MethodName.Of(q.Request.Buf), strings.Join(m.Methods, ", "))
	case failsClient:
		return fmt.Sprintf("client %v is in none of its networks", q.Client)
	case failsDestination:
		return fmt.Sprintf("the client wanted to go to %v, which is none of its destinations", q.Destination)
	case failsHeader:
		v := &m.Headers[c.index]
		return v.describe("header", q.Request.Lookup(v.Name))
	case failsQuery:
		v := &m.Query[c.index]
		return v.describe("query parameter", parameter(q.Query, v.Name))
	case failsCert:
		v := &m.Cert[c.index]
		if values := q.TLS.CertificateField(v.Name); len(values) > 0 {
			return v.describe("client certificate's", []byte(strings.Join(values, ",")))
		}
		return "the client has shown no certificate with " + v.Name
	case failsMoved:
		return fmt.Sprintf("query %q is none that the path has moved with", q.Query)
	case failsInClear:
		return "the client came by https already"
	case failsPrint:
		return "the client's TLS has another fingerprint"
	}
	return ""
}

func (v *ValueMatch) describe(what string, value []byte) string {
	if value == nil {
		return fmt.Sprintf("%s %s is absent", what, v.Name)
	}
	if v.Regexp != nil {
		return fmt.Sprintf("%s %s is %q, which does not match %s", what, v.Name, value, v.Regexp)
	}
	return fmt.Sprintf("%s %s is %q, not %q", what, v.Name, value, v.Text)
}

// parameter is the decoded value of the first query parameter of that name; nil if there is none.
func parameter(query []byte, name string) []byte {
	for pair := range strings.SplitSeq(string(query), "&") {
		n, value, _ := strings.Cut(pair, "=")
		if pair != "" && filter.EqualDecoded([]byte(n), name) {
			return filter.AppendDecoded([]byte{}, []byte(value))
		}
	}
	return nil
}

// whyBefore says why m is asked before other: the first difference in the order of precedence.
func (m *Match) whyBefore(other *Match) string {
	switch {
	case m.Priority != other.Priority:
		return fmt.Sprintf("priority %d is asked before %d", m.Priority, other.Priority)
	case m.Path.kind != other.Path.kind && m.Path.kind == pathExact:
		return "an exact path is more specific"
	case m.Path.kind != other.Path.kind:
		return "an expression is asked before prefixes"
	case m.Path.kind == pathPrefix && len(m.Path.text) != len(other.Path.text):
		return "a longer prefix is more specific"
	case m.Moved != nil && other.Moved == nil && m.Path.kind == other.Path.kind:
		return "one that asks for the whole query is more specific"
	case m.Path.kind != pathExact && m.Path.text != other.Path.text:
		return "an expression that stands before it matches"
	case len(m.Methods) > 0 && len(other.Methods) == 0:
		return "one that asks for a method is more specific"
	case len(m.Headers) != len(other.Headers):
		return "one that asks for more headers is more specific"
	case len(m.Query) != len(other.Query):
		return "one that asks for more query parameters is more specific"
	case m.Clients != nil && other.Clients == nil:
		return "one that asks for a client network is more specific"
	case len(m.Cert)+len(m.Prints) != len(other.Cert)+len(other.Prints):
		return "one that asks for more of the client's certificate or TLS is more specific"
	case !m.To.isAny() && other.To.isAny():
		return "one that asks for a destination is more specific"
	case m.InClear && !other.InClear:
		return "one for clear text alone is more specific"
	}
	return "one like it was written before"
}
