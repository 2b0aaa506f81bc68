package site

import (
	"net/netip"
	"strings"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/message"
)

// Query is what a route is found by.
type Query struct {
	Host    []byte // in lower case, without port and final dot
	Path    []byte // in normal form
	Query   []byte // without '?'
	Request *message.Request
	Client  netip.Addr
	TLS     *filter.Handshake // nil: in clear text

	InClear bool // the client did not come by https, as far as weir knows; needed only with Index.AsksInClear

	Destination netip.AddrPort // where the client wanted to go; needed only with Index.AsksDestination
}

// Spec is a site as it is written: a host pattern in lower case with its routes in written order.
type Spec struct {
	Pattern string
	Routes  []*Route
	Paths   *PathRules // nil: DefaultPathRules
}

// Index finds the route of a request. Immutable, and shared by all loops.
type Index struct {
	AsksDestination bool // a route goes by where the client wanted to go
	AsksInClear     bool // a route takes only clients that did not come by https

	exact     map[string]*Site // by host
	wildcards map[string]*Site // *.example.com by "example.com"
	longest   int              // of the keys of wildcards
	globs     globs
	rest      *Site   // "*"
	sites     []*Site // the most specific pattern first
}

// NewIndex compiles the sites, and says which routes no request can reach. The patterns are checked: equal ones must not be among them.
func NewIndex(specs []Spec) (*Index, []Unreachable) {
	ix := &Index{exact: make(map[string]*Site, len(specs)), wildcards: map[string]*Site{}}
	var shadowed []Unreachable
	for _, spec := range specs {
		s := newSite(spec)
		for _, r := range spec.Routes {
			ix.AsksInClear = ix.AsksInClear || r.Match.InClear
			ix.AsksDestination = ix.AsksDestination || !r.Match.To.isAny()
		}
		ix.sites = append(ix.sites, s)
		shadowed = append(shadowed, unreachable(s)...)
		switch s.host.kind {
		case hostExact:
			ix.exact[spec.Pattern] = s
		case hostWildcard:
			ix.wildcards[s.host.literal] = s
			ix.longest = max(ix.longest, len(s.host.literal))
		case hostRest:
			ix.rest = s
		}
	}
	sortSites(ix.sites)
	ix.globs = newGlobs(ix.sites)
	return ix, shadowed
}

// Site is the site of a host pattern, as it is written; nil if there is none.
func (ix *Index) Site(pattern string) *Site {
	if s := ix.exact[pattern]; s != nil {
		return s
	}
	if s := ix.wildcards[strings.TrimPrefix(pattern, "*.")]; s != nil && s.Pattern == pattern {
		return s
	}
	for _, s := range ix.sites {
		if s.Pattern == pattern {
			return s
		}
	}
	return nil
}

// Sites are all sites, the most specific host pattern first. The caller must not change them.
func (ix *Index) Sites() []*Site { return ix.sites }

// Find finds the site of a request whose path is in normal form, and its route; the site alone where no route of it matches, as no less
// specific site is asked then.
func (ix *Index) Find(q *Query) (*Site, *Route) {
	s := ix.FindSite(q.Host)
	if s == nil {
		return nil, nil
	}
	return s, s.find(q)
}

// FindSite finds the site of a host in lower case: the most specific pattern that takes it; nil where none does.
func (ix *Index) FindSite(host []byte) *Site {
	if s := ix.exact[string(host)]; s != nil {
		return s
	}
	if len(ix.wildcards) > 0 {
		for i := max(0, len(host)-ix.longest-1); i < len(host); i++ {
			if host[i] == '.' && i > 0 {
				if s := ix.wildcards[string(host[i+1:])]; s != nil {
					return s
				}
			}
		}
	}
	if s := ix.globs.find(host); s != nil {
		return s
	}
	return ix.rest
}
