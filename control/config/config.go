package config

import "slices"

// Config is a whole configuration: one file and all it includes.
type Config struct {
	// Files merged into this one, as paths or globs relative to the file that names them.
	// The same name twice is an error that shows both places. A file takes part once.
	Include []string `yaml:"include" example:"[conf.d/*.yaml]"`

	// The addresses on which weir accepts connections, by name.
	// Without any: port 443 with TLS, and port 80 with a redirect to it. Where no site has a name that a certificate could be for, and none is given: port 80.
	Listeners []Listener `yaml:"listeners,named" example:"{ http: { address: \":80\", redirect: https }, https: { address: \":443\", tls: { certificates: [{ cert: site.pem, key: site.key }] } } }"`

	// Groups of servers that can answer the same requests, by name.
	Pools []Pool `yaml:"pools,named" example:"{ api: { servers: [10.0.0.1:8080, 10.0.0.2:8080], health: /healthz } }"`

	// Health checks that several pools use, by name.
	HealthChecks []Health `yaml:"health_checks,named" example:"{ web: { path: /healthz, every: 5s } }"`

	// What is published, by host pattern: an exact name, `*.example.com`, a glob such as `lyncweb.*`, or `"*"` for the rest.
	// The most specific wins, in any order of writing.
	Sites []Site `yaml:"sites,named" example:"{ app.example.com: http://10.0.0.1:8080 }"`

	// Route settings for all sites. A site's own value wins, and a route's over both.
	Defaults Defaults `yaml:"defaults" example:"{ timeouts: { response: 30s }, body_limit: 10MiB }"`

	// Certificates and TLS settings for all listeners that have `tls`. Its `client_auth` holds for every site on every listener, so that requests in clear text are refused.
	TLS TLS `yaml:"tls" example:"{ certificates: [{ cert: site.pem, key: site.key }] }"`

	// The store of the cache.
	Cache Later `yaml:"cache" example:"{ memory: 256MiB, disk: { path: /var/cache/weir, size: 10GiB } }"`

	// Where the command line, monitoring and programs reach this weir.
	Admin Admin `yaml:"admin" example:"{ socket: /run/weir/admin.sock, address: 127.0.0.1:9180 }"`

	// What the process may use.
	Limits ProcessLimits `yaml:"limits" example:"{ memory: 512MiB }"`

	// What is logged, how and where.
	Logs Logs `yaml:"logs" example:"{ access: { format: json, file: /var/log/weir/access.log }, level: info }"`

	// What weir may set up in this machine's network.
	Network Network `yaml:"network" example:"{ install: on }"`

	// Other weirs that share state with this one.
	Cluster Later `yaml:"cluster"`

	// Names that weir answers for as a DNS server.
	DNS Later `yaml:"dns"`

	// The operator's scripts.
	Scripts Later `yaml:"scripts"`

	// Requests and what must come of them, run by `weir check`.
	Tests []Test `yaml:"tests" example:"[{ request: GET https://app.example.com/api/users, expect: { pool: api } }]"`

	// The directory in which weir keeps what must survive a restart. It is made when something is kept. Where that cannot be done weir serves all the same, and says what is lost.
	Data string `yaml:"data,file" default:"/var/lib/weir" example:"/var/lib/weir"`

	pools     map[string]int // in Pools, by name
	positions positions
	lines     map[string][]string
	texts     map[string]bool // files that values were read from
	mask      *mask           // of secrets, which no message shows
}

// Pool returns the pool of that name, named or anonymous, or nil.
func (c *Config) Pool(name string) *Pool {
	if i, found := c.pools[name]; found {
		return &c.Pools[i]
	}
	return nil
}

func (c *Config) indexPools() {
	c.pools = make(map[string]int, len(c.Pools))
	for i := range c.Pools {
		c.pools[c.Pools[i].Name] = i
	}
}

func (c *Config) addPool(p Pool) {
	c.pools[p.Name] = len(c.Pools)
	c.Pools = append(c.Pools, p)
}

// Serves reports whether somebody gets something but an error: there is a site, or a listener of layer 4.
func (c *Config) Serves() bool {
	return len(c.Sites) > 0 || slices.ContainsFunc(c.Listeners, func(l Listener) bool { return !l.IsHTTP() })
}

// DefaultData is the directory of data where no configuration says another.
func DefaultData() string { return withDefaults[Config]().Data }

// Later is the value of a key whose meaning is fixed and whose work is not built yet. Nothing below it is looked at;
// notyet.go says what writing it leads to.
type Later struct{}

// Files are the files that the configuration was read from, with those that values were read from, sorted.
func (c *Config) Files() []string {
	files := make([]string, 0, len(c.lines)+len(c.texts))
	for name := range c.lines {
		files = append(files, name)
	}
	for name := range c.texts {
		files = append(files, name)
	}
	slices.Sort(files)
	return files
}
