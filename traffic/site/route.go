package site

import (
	"time"

	"github.com/weir-proxy/weir/traffic/files"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/transport"
)

// Route is what happens with the requests that it matches: exactly one of Destination, Split, Redirect, Moved, Respond and Files. Immutable.
type Route struct {
	Site    string // the host pattern
	Pattern string // the path pattern
	Name    string // for logs and people: site and pattern
	Place   string // where it is written, for people

	Match       Match
	Destination *Destination
	Split       *Split // another route, by chance or key, has what follows
	Redirect    *Redirect
	Moved       *Moved // what Redirect is for each path; nil: Redirect is for all
	Respond     *Respond
	Files       *files.Root
	FilesSkip   int // bytes of the path that are the route's and not the file's

	Persistence     *Persistence   // nil: any server will do
	Access          *filter.Access // nil: everybody
	Buffer          *Buffer        // nil: bodies go on as they come
	Mirror          *Mirror        // nil: nobody gets copies
	Rewrite         *filter.Rewrite
	RequestHeaders  *filter.HeaderEdit
	ResponseHeaders *filter.HeaderEdit
	Paths           *filter.PathMap  // from the servers' paths to the public ones; nil: they are the same
	Identity        *filter.Identity // nil: answers tell of their servers what they like
	Pages           *Pages           // nil: errors are told in bare words
	Maintenance     *Maintenance     // nil: the route is in service
	Host            HostMode
	HostName        string        // with HostName
	BodyLimit       int64         // bytes; 0: no limit
	Connect         time.Duration // until a connection stands; 0: what the pool says
	Request         time.Duration // until the answer begins, with all that comes before; 0: no limit
	Response        time.Duration // until the answer begins, and between two arrivals of it
	Body            time.Duration // pause of a client within a body that goes on as it comes; 0: what the listener says
	Stream          time.Duration // silence of a stream in both directions
	Via             bool          // servers learn by Via that requests came through weir
	HidesTimeLeft   bool          // the operator has removed the field that tells servers how much time is left
	Unlogged        bool          // the access log has nothing of it
	Tunnel          time.Duration // silence of an upgraded connection
	Retries         int           // further attempts
	Budgets         *pool.Budgets // that pay for them; nil: the pool's
	Class           pool.Class    // how much its requests matter when not all can be served
	GRPCWeb         bool          // gRPC-Web clients are served by gRPC servers
	Hints           *Hints        // nil: no early hints are learnt
	UsesGroups      bool          // a template asks for what the path's "*" or groups took
}

// MapsURLs reports whether the servers know the site by other URLs than clients.
func (r *Route) MapsURLs() bool { return r.Host != HostPreserve || r.Paths != nil }

// HostMode says which Host a server gets.
type HostMode uint8

const (
	HostPreserve HostMode = iota // the client's
	HostServer                   // the server's own address
	HostNamed                    // Route.HostName
)

// Redirect sends the client elsewhere.
type Redirect struct {
	To          *filter.Template
	Status      int
	LeavesQuery bool // the query does not go along
}

// AppendLocation appends the Location. The query goes along, as in a rewrite, unless To says what becomes of it: links that were
// shared with parameters are why most redirects exist.
func (r *Redirect) AppendLocation(dst []byte, f *filter.Facts) []byte {
	dst = r.To.Append(dst, f)
	if !f.HasQuery || r.LeavesQuery || r.To.SaysQuery() {
		return dst
	}
	dst = append(dst, '?')
	return append(dst, f.Query...)
}

// Respond is an answer without a server.
type Respond struct {
	Status  int
	Body    []byte
	Headers *filter.HeaderEdit // fields of the answer
	HasType bool               // Headers set a Content-Type
}

// Destination is a pool with the way to its servers. Immutable but for what hangs on Pool.
type Destination struct {
	Pool      *pool.Pool
	Fallback  *Destination // answers when no server of Pool is well; nil: nobody does
	Transport *transport.Config
	Hedge     *Hedge // nil: no request is sent twice before its time
	Key       Key
	EndsDown  bool              // tunnels to a server that is found down end
	Proxy     int               // version of the PROXY protocol that servers get first; 0: none
	Loops     []DestinationLoop // by loop; carried over by the pool's name
}

// DestinationLoop is what one loop counts for a pool. Owned by the loop.
type DestinationLoop struct {
	Clients  uint64   // client connections that sent the pool at least one request
	FellBack uint64   // requests that another pool answered in its place
	Kept     uint64   // requests that went to the server that persistence named
	Placed   uint64   // clients that persistence gave a server
	Lost     uint64   // requests whose server was gone or down
	Mirror   Mirrored // copies that the pool was to get
	_        [48]byte // keeps loops out of each other's cache lines
}

// Persistence is what keeps the clients of a route with their servers.
type Persistence struct {
	*persistence.Persistence
	Key    Key       // what the table knows clients by; with Table
	LostTo *Redirect // with persistence.LostRedirect
}

// Key says what of a request the pool's policy hashes.
type Key struct {
	Kind KeyKind
	Name string // of the header field or cookie
}

// KeyKind is a row of what can be hashed.
type KeyKind uint8

const (
	KeyNone KeyKind = iota
	KeyClient
	KeyPath
	KeyURI
	KeyHeader
	KeyCookie
)

// String is what the key is, for people.
func (k Key) String() string {
	switch k.Kind {
	case KeyClient:
		return "address"
	case KeyHeader:
		return "header " + k.Name
	case KeyCookie:
		return "cookie " + k.Name
	}
	return "request"
}
