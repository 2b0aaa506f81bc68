package config

import "strings"

// Site is what is published under a host pattern. In its place may stand a pool's name, a server's URL, or a route;
// its keys are path patterns to routes, beside route settings for all of them.
type Site struct {
	// The host pattern under `sites`, in lower case.
	Name string `yaml:"-,name"`

	// Routes in written order, complete: what `defaults`, the pool and the site say is already in each, and an action
	// of the site itself stands here as a route for `/*`.
	Routes []Route `yaml:",paths"`

	Action   `yaml:",inline"`
	Settings `yaml:",inline"`

	// Paths that have moved, listed in a file. They are asked for as exact paths are, behind those written here.
	Redirects *Redirects `yaml:"redirects" example:"/etc/weir/moved.map"`

	// Moved is the route of what `redirects` lists.
	Moved *Route `yaml:"-"`

	// How the servers read paths, so that routes and access rules read them the same way.
	Paths Paths `yaml:"path" example:"{ servers: tomcat }"`

	// What clients' TLS must be, where that is something else than for the listener's other sites.
	TLS *SiteTLS `yaml:"tls" example:"{ client_auth: clients.pem }"`
}

// Route is what happens with the requests of a path pattern: exactly one action, and settings. In its place may stand a
// pool's name, a server's URL, or a list of routes that differ in `match`.
type Route struct {
	// The path pattern: exact (`/login`), a prefix at a segment border (`/api/*` takes `/api` and all below), or an RE2
	// expression (`~^/…`).
	Path string `yaml:"-,name"`

	// Key is the route's place in the file, for PosOf and for people: `sites."app.example.com"."/api/*"`.
	Key string `yaml:"-"`

	// Arms are, where the route is split, what it is for each of the pools, in their order.
	Arms []Route `yaml:"-"`

	// Shadow is, where the route is mirrored, what becomes of the copies.
	Shadow *Route `yaml:"-"`

	// What the request must be besides its path.
	Match Match `yaml:"match" example:"{ methods: [GET, HEAD] }"`

	// Overrides the order of precedence: a higher number is asked first.
	Priority int `yaml:"priority" default:"0" range:"-1000000 1000000" example:"10"`

	Action   `yaml:",inline"`
	Settings `yaml:",inline"`
}

// Action is what a route does: one of these.
type Action struct {
	// The pool that answers.
	Pool string `yaml:"pool" example:"api"`

	// Servers that answer, as in a pool of their own with all defaults. Load turns them into a named pool.
	Servers []Server `yaml:"servers" example:"[10.0.0.1:8080, 10.0.0.2:8080]"`

	// Sends the client elsewhere.
	Redirect *Redirect `yaml:"redirect" example:"{ to: \"https://{host}/new{path}\", status: 301 }"`

	// Answers without a server.
	Respond *Respond `yaml:"respond" example:"{ status: 503, body: back soon }"`

	// Serves files from a directory.
	Files *Files `yaml:"files" example:"/srv/www"`

	// An ordered list of rules.
	Rules Later `yaml:"rules"`

	// Divides requests between pools, by shares.
	Split *Split `yaml:"split" example:"{ stable: 90%, canary: 10%, cookie: weir-split }"`
}

// Split divides requests between pools. Each request is drawn anew, unless `cookie` or `on` keeps clients with what they have. Where shares change, as few
// clients as possible change with them.
type Split struct {
	// Pools and their shares, which add up to 100%.
	Pools []SplitPool `yaml:",rest"`

	// A cookie that weir sets, so that a client stays where its first request went. It holds a number and tells nothing; who wants to can choose with it.
	Cookie string `yaml:"cookie" example:"weir-split"`

	// What decides instead of the draw: `client_ip`, `header:NAME` or `cookie:NAME`. Equal values go to the same pool.
	On HashKey `yaml:"on" example:"header:X-User"`
}

// SplitPool is a pool's share. A bare value is the share.
type SplitPool struct {
	// The pool's name.
	Pool string `yaml:"-,name"`

	// How many of the requests go there.
	Share Percent `yaml:"share,short,required" example:"10%"`
}

// Files serves a directory. A bare value is the directory. Below a prefix such as `/static/*`, what follows the prefix is looked up, or the path that
// `rewrite` makes. Names that begin with a dot are not served, nor is what links lead to outside.
type Files struct {
	// The directory.
	Root string `yaml:"root,short,required,file" example:"/srv/www"`

	// What is served where a directory is asked for; an empty list is nothing. There are no listings.
	Index []string `yaml:"index" default:"index.html" example:"[index.html, index.htm]"`

	// Sends a sibling with the ending .br, .zst or .gz, not older than the file, to clients that take that coding.
	Precompressed bool `yaml:"precompressed" default:"on" example:"off"`

	// The file served where none is found, as an application of one page wants it.
	Fallback string `yaml:"fallback" example:"/index.html"`
}

// Redirect sends the client elsewhere. A bare value is `to`.
type Redirect struct {
	// The target: a URL or path, with `{host}`, `{path}`, `{query}`, `{uri}` (path and query) and the other variables, `*` and
	// `$1` as in `rewrite`. The query goes along unless `to` has one, or says `{query}` or `{uri}`. The word `https` alone is the
	// same URL with that scheme: the route takes only clients that did not come by https, and others go to the next route that takes the path.
	To string `yaml:"to,short,required" example:"\"https://www.example.com{uri}\""`

	// The status of the answer: 301, 302, 303, 307 or 308.
	Status int `yaml:"status" default:"308" words:"301 302 303 307 308" example:"301"`
}

// Respond is an answer without a server. A bare value is its status.
type Respond struct {
	// The status of the answer.
	Status int `yaml:"status,short" default:"200" range:"200 599" example:"404"`

	// The body of the answer, sent as text/plain unless `headers` say otherwise.
	Body string `yaml:"body" example:"back soon"`

	// Header fields of the answer, by name.
	Headers []Header `yaml:"headers,named" example:"{ Retry-After: \"120\" }"`
}

// FromWord takes the name of a pool, or a server.
func (a *Action) FromWord(word string) error {
	if !strings.Contains(word, ":") {
		a.Pool = word
		return nil
	}
	server := *withDefaults[Server]()
	err := server.Address.FromText(word)
	a.Servers = []Server{server}
	return err
}
