package snapshot

import (
	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/pool/health"
	"github.com/weir-proxy/weir/traffic/site"
	wiretls "github.com/weir-proxy/weir/wire/tls"
)

// Snapshot is everything built from one configuration.
type Snapshot struct {
	Config       *config.Config
	Sites        *site.Index
	Listeners    []Listener
	Destinations map[string]*site.Destination // by pool
	Checks       []health.Watched
	Stores       []*certs.Store
	Issuer       *certs.Issuer                  // has the certificates that weir gets by itself
	Wanted       certs.Wanted                   // what the Issuer is to do
	Tickets      *wiretls.Tickets               // what session tickets are encrypted by
	Tables       map[string]*persistence.Table  // what keeps clients with servers, by scope and key
	Stays        map[string][]*site.Persistence // what keeps the clients of a pool
	Rules        *netfilter.Rules               // what the kernel has to do
	Routes       routing.Local                  // of the packets that they mark
	Forwards     []Forward                      // what the kernel carries
	Own          []netfilter.Listen             // addresses that weir listens on, and that services of all addresses in Forwards are not to take from it
	cookies      *Key                           // signs those of persistence; nil if nothing needs it
	resets       *Key                           // what stateless resets are made by; nil without HTTP/3
	files        map[string]fingerprint         // of what TLS is built from besides the Stores, by key of the object
}

// Listener is a listener of the configuration with the addresses it stands for.
type Listener struct {
	Name        string
	Addresses   []engine.Address
	Setup       *listener.Setup
	Transparent bool         // its sockets take connections to other machines
	Store       *certs.Store // of its certificates; nil without TLS
	Renewed     []string     // chains of a kept Store whose files have changed: Refresh reads them
	policies    []*wiretls.Policy
}

// Pools returns all pools.
func (s *Snapshot) Pools() []*pool.Pool {
	list := make([]*pool.Pool, 0, len(s.Config.Pools))
	for i := range s.Config.Pools {
		list = append(list, s.Destinations[s.Config.Pools[i].Name].Pool)
	}
	return list
}

// builder collects what is built and what is wrong.
type builder struct {
	cfg       *config.Config
	previous  *Snapshot // nil at the start
	loops     int
	keeper    *keeper
	out       *Snapshot
	isUnread  bool                    // certificates of a file are not known, as it cannot be read
	clientCAs map[string]*authorities // by their files
	prints    bool                    // somebody wants to know fingerprints of ClientHellos
	problems  config.Problems
}

// Build makes a snapshot for that many loops. previous is the running one, whose live state is taken over; nil if nothing runs. With an
// error among the problems there is no snapshot.
func Build(cfg *config.Config, previous *Snapshot, loops int) (*Snapshot, config.Problems) {
	return BuildAfter(nil, cfg, previous, loops)
}

// BuildAfter is Build in a process that has taken over from another: kept is what belongs into files, by name, whether or not the disk has it.
func BuildAfter(kept map[string][]byte, cfg *config.Config, previous *Snapshot, loops int) (*Snapshot, config.Problems) {
	b := &builder{cfg: cfg, previous: previous, loops: loops, clientCAs: map[string]*authorities{},
		out: &Snapshot{Config: cfg, Destinations: map[string]*site.Destination{}, files: map[string]fingerprint{}}}
	b.carryTLS()
	for i := range cfg.Pools {
		b.pool(&cfg.Pools[i])
	}
	b.keeper = newKeeper(kept, previous)
	keeper := b.keeper
	b.linkFallbacks()
	index, problems := buildSites(cfg, func(name string) *site.Destination { return b.out.Destinations[name] }, keeper)
	b.problems = append(b.problems, problems...)
	b.out.Sites = index
	b.listeners()
	b.out.Tables, b.out.Stays, b.out.cookies = keeper.tables, keeper.stays(), keeper.key
	b.own()
	b.network()
	if _, _, err := LogFormat(&cfg.Logs.Access); err != nil {
		b.refuse("logs.access", err.Error())
	}
	if len(b.problems.Errors()) > 0 {
		return nil, b.problems
	}
	b.out.RotateTickets()
	return b.out, b.problems
}

func (b *builder) refuse(path, message string) {
	b.problems = append(b.problems, b.cfg.ProblemAt(path, "%s", message))
}

func (b *builder) warn(path, message string) {
	b.problems = append(b.problems, b.cfg.WarningAt(path, "%s", message))
}
