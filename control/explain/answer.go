package explain

// Answer is what becomes of a request. Its fields are those of the JSON.
type Answer struct {
	Method string `json:"method"`
	Scheme string `json:"scheme"` // that the client used, as far as weir knows
	Host   string `json:"host"`
	Path   string `json:"path"`  // in the normal form by which it is routed
	Query  string `json:"query"` // without '?'
	Client string `json:"client"`

	Listener string `json:"listener,omitempty"`
	Site     string `json:"site,omitempty"`
	Route    string `json:"route,omitempty"` // the path pattern
	Place    string `json:"place,omitempty"` // of the route, in the configuration

	Filters []Step `json:"filters"` // what the route does on the way, in order

	Local *Local `json:"local,omitempty"` // weir answers itself
	Pool  *Pool  `json:"pool,omitempty"`  // or a server of a pool does

	ResponseSet    []Field  `json:"response_set"`    // fields that the client gets besides the answer's own
	ResponseRemove []string `json:"response_remove"` // names of fields that it does not get

	Why []Step `json:"why"` // what was looked at, and why it was taken or not
}

// Local is an answer of weir's own.
type Local struct {
	Status   int     `json:"status"`
	Reason   string  `json:"reason"` // as in the access log
	Detail   string  `json:"detail,omitempty"`
	Location string  `json:"location,omitempty"`
	Fields   []Field `json:"fields,omitempty"`
	Body     string  `json:"body,omitempty"`
}

// Pool is who answers, and what a server of it gets.
type Pool struct {
	Name     string   `json:"name"`
	Balance  string   `json:"balance"`
	Servers  []string `json:"servers"`
	Attempts int      `json:"attempts"` // at most
	Timeout  string   `json:"timeout"`  // until the answer begins, of each attempt
	Secure   bool     `json:"tls"`
	Mode     string   `json:"mode,omitempty"` // nat or direct, where the kernel carries the connections; it makes no attempts and has no timeout

	isCarried bool // the servers get bytes, and no request

	Method string  `json:"method"`
	Target string  `json:"target"` // path and query that the server gets
	Fields []Field `json:"fields"` // header fields that it gets
}

// Step is one thing that was looked at or done.
type Step struct {
	What  string `json:"what"`            // listener, site, route, or the filter's key
	Name  string `json:"name,omitempty"`  // of the listener, site or route
	Taken bool   `json:"taken,omitempty"` // it was chosen
	Why   string `json:"why"`

	isElsewhere bool // a route whose path does not match
}
