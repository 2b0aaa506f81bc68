package site

import (
	"net/netip"

	"github.com/weir-proxy/weir/wire/message"
)

// Query is what a route is found by.
type Query struct {
	Host    []byte // in lower case, without port and final dot
	Path    []byte // in normal form
	Query   []byte
	Request *message.Request
	Client  netip.Addr
}

// Match is what a request must be besides its host. Immutable.
type Match struct {
	Path *PathPattern
}

// PathPattern is a path pattern.
type PathPattern struct{}

// Groups returns what the pattern's groups took of the path.
func (p *PathPattern) Groups(path []byte) [][]byte { return nil }

// Site is a host pattern with its routes.
type Site struct{ Pattern string }

// Index finds routes.
type Index struct{ Only *Route }

// Find finds the site and route of a request; nil where there is none.
func (ix *Index) Find(q *Query) (*Site, *Route) { return nil, ix.Only }
