package site

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/message"
)

// Match is what a request must be besides its host; all that is set must hold. Immutable. A test lists the fields, and what has to know each of them.
type Match struct {
	Path     *PathPattern
	Methods  []string         // any of these; none: every method
	Headers  []ValueMatch     // fields; of several of a name one must do
	Query    []ValueMatch     // parameters, likewise; compared decoded
	Clients  *filter.Networks // nil: every client
	Cert     []ValueMatch     // fields of the client's certificate
	Prints   []string         // any of these JA4 fingerprints; none: every
	To       Destinations     // where the client wanted to go
	InClear  bool             // only clients that did not come by https
	Moved    *Moved           // nil, or the whole query must be one that the path has moved with
	Priority int              // a higher one is asked first, whatever the path
}

// ValueMatch is the name of a field or parameter and what its value must be: any value, one that Regexp matches, or Text.
type ValueMatch struct {
	Name    string
	Present bool
	Regexp  *regexp.Regexp
	Text    string
}

// condition is a part of a Match that a request can fail: its kind, and which of them.
type condition struct {
	kind  conditionKind
	index int
}

type conditionKind uint8

const (
	holds conditionKind = iota
	failsMethod
	failsHeader
	failsQuery
	failsClient
	failsCert
	failsPrint
	failsDestination
	failsMoved
	failsInClear
)

// isPlain reports whether the path alone decides.
func (m *Match) isPlain() bool {
	return len(m.Methods)+len(m.Headers)+len(m.Query)+len(m.Cert)+len(m.Prints) == 0 && m.Clients == nil && m.To.isAny() && m.Moved == nil && !m.InClear
}

// check finds the first condition besides the path that the request fails.
func (m *Match) check(q *Query) condition {
	if len(m.Methods) > 0 && !hasMethod(m.Methods, q.Request.MethodName.Of(q.Request.Buf)) {
		return condition{kind: failsMethod}
	}
	if m.InClear && !q.InClear {
		return condition{kind: failsInClear}
	}
	if m.Clients != nil && !m.Clients.Contains(q.Client) {
		return condition{kind: failsClient}
	}
	if !m.To.isAny() && !m.To.take(q.Destination) {
		return condition{kind: failsDestination}
	}
	for i := range m.Headers {
		if !m.Headers[i].inFields(&q.Request.Fields) {
			return condition{failsHeader, i}
		}
	}
	for i := range m.Query {
		if !m.Query[i].inQuery(q.Query) {
			return condition{failsQuery, i}
		}
	}
	if m.Moved != nil && m.Moved.Of(q.Path, q.Query) == nil {
		return condition{kind: failsMoved}
	}
	for i := range m.Cert {
		if !m.Cert[i].inCertificate(q.TLS) {
			return condition{failsCert, i}
		}
	}
	if len(m.Prints) > 0 && (q.TLS == nil || !slices.Contains(m.Prints, string(q.TLS.Print))) {
		return condition{kind: failsPrint}
	}
	return condition{}
}

func hasMethod(methods []string, name []byte) bool {
	for _, m := range methods {
		if m == string(name) {
			return true
		}
	}
	return false
}

func (v *ValueMatch) inFields(f *message.Fields) bool {
	for i := range f.List {
		if message.EqualFold(f.NameOf(i), v.Name) && v.takes(f.ValueOf(i)) {
			return true
		}
	}
	return false
}

func (v *ValueMatch) inCertificate(h *filter.Handshake) bool {
	for _, value := range h.CertificateField(v.Name) {
		if v.takes([]byte(value)) {
			return true
		}
	}
	return false
}

func (v *ValueMatch) takes(value []byte) bool {
	switch {
	case v.Present:
		return true
	case v.Regexp != nil:
		return v.Regexp.Match(value)
	}
	return string(value) == v.Text
}

func (v *ValueMatch) inQuery(query []byte) bool {
	for len(query) > 0 {
		pair := query
		if end := bytes.IndexByte(query, '&'); end >= 0 {
			pair, query = query[:end], query[end+1:]
		} else {
			query = nil
		}
		name, value := pair, []byte(nil)
		if eq := bytes.IndexByte(pair, '='); eq >= 0 {
			name, value = pair[:eq], pair[eq+1:]
		}
		if len(pair) > 0 && filter.EqualDecoded(name, v.Name) && v.takesEncoded(value) {
			return true
		}
	}
	return false
}

func (v *ValueMatch) takesEncoded(value []byte) bool {
	switch {
	case v.Present:
		return true
	case v.Regexp == nil:
		return filter.EqualDecoded(value, v.Text)
	case bytes.IndexByte(value, '%') < 0 && bytes.IndexByte(value, '+') < 0:
		return v.Regexp.Match(value)
	}
	return v.Regexp.Match(filter.AppendDecoded(nil, value))
}
