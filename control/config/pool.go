package config

import "slices"

// Pool is a group of servers that can answer the same requests. A list in its place is its servers.
type Pool struct {
	// The name under `pools`. A pool written as servers in a route is named after them.
	Name string `yaml:"-,name"`

	// The servers: `host:port`, a URL, `unix:/path`, or an object. Names are resolved again by their TTL.
	Servers []Server `yaml:"servers,short" example:"[10.0.0.1:8080, { address: 10.0.0.2:8080, weight: 3 }]"`

	// A name whose SRV records are the servers, beside or in place of `servers`.
	SRV string `yaml:"srv" example:"_http._tcp.api.example.com"`

	// How a server is chosen.
	Balance Balance `yaml:"balance" example:"{ hash: { on: \"cookie:user\" } }"`

	// Asks each server at intervals whether it is well. Without it a server counts as well until it is ejected.
	Health *Health `yaml:"health" example:"{ path: /healthz, every: 5s, expect: { status: 200 } }"`

	// Takes a server out for a while when its answers to real requests fail. On by default; `off` turns it off.
	Eject Eject `yaml:"eject" example:"{ consecutive: 3, time: 30s }"`

	// Sends requests that only read to a second server when the first takes long.
	Hedge *Hedge `yaml:"hedge" example:"{ at: p95, budget: 5% }"`

	// Encrypts the way to the servers. A `https://` URL, port 443 or `protocol: http3` turns it on with all defaults; `off` prevents that.
	TLS *PoolTLS `yaml:"tls" example:"{ ca: internal-ca.pem }"`

	// The protocol spoken with the servers. `http3`, which implies TLS, reaches them over UDP.
	Protocol string `yaml:"protocol" default:"auto" words:"auto http1 http2 h2c http3" example:"http1"`

	// How answers by HTTP/1.x are read. `tolerant` is for old devices: lines that end with LF alone, spaces behind a chunk's size, a Content-Length that is said several
	// times with one value, statuses from 600 to 999, and versions such as HTTP/1.2 pass, and clients get them written as they ought to be. Requests are always read strictly.
	Responses string `yaml:"responses" default:"strict" words:"strict tolerant" example:"tolerant"`

	// How long a server may take. A site's or route's own value wins.
	Timeouts Timeouts `yaml:"timeouts" example:"{ response: 200s }"`

	// What is tried again on another server. A site's or route's own value wins.
	Retries Retries `yaml:"retries" example:"{ count: 1, budget: 10% }"`

	// What becomes of the tunnels of a server that its health checks find down: `keep` lets them go on, `close` ends them, so that their clients connect anew. Tunnels
	// are those of layer 4 listeners and upgraded connections (WebSocket), and TCP connections that the kernel forwards (`mode: nat` and `direct`): both ends of those
	// are reset when they next send.
	OnDown string `yaml:"on_down" default:"keep" words:"keep close" example:"close"`

	// How many connections are opened and kept.
	Connections Connections `yaml:"connections" example:"{ max: 500, idle: 64 }"`

	// SamePort is set where servers without a port are reached by the one that clients ask for.
	SamePort bool `yaml:"-"`

	// Raises the share of a server that is new in a running pool, or well again, over this time, from a tenth. Not for `hash`, `maglev`
	// and `first`, whose requests have one place. `off` gives it its full share at once.
	SlowStart Duration `yaml:"slow_start" default:"10s" example:"30s"`

	// How many servers have to be well; with fewer, those of the next `priority` (at last the backups) work beside them.
	Minimum int `yaml:"minimum" default:"1" range:"1 10000" example:"2"`

	// The share of servers that has to be well. Below it all are used as if they were: the checks are taken to be wrong, or the few
	// left would drown. `off` believes the checks to the last.
	Panic Percent `yaml:"panic" example:"30%"`

	// Keeps a client with its server.
	Persistence *Persistence `yaml:"persistence" example:"{ cookie: WeirServer }"`

	// How much of responses, and of requests' bodies, is held back before it is sent on.
	Buffer *Buffer `yaml:"buffer" example:"1MiB"`

	// Tells the servers who the client is, by the PROXY protocol in front of each connection. Clients then share none. `v2` passes on
	// what another proxy has told besides addresses, and adds what weir knows of the TLS that it has ended. Of a UDP listener's datagrams each has the header, of `v2`, in front.
	ProxyProtocol string `yaml:"proxy_protocol" words:"v1 v2" example:"v2"`

	// What may be under way at all servers together.
	Limits PoolLimits `yaml:"limits" example:"{ requests: 500 }"`

	// Holds requests while all servers are at their limit. `off` answers them with 503 at once.
	Queue Queue `yaml:"queue" example:"{ length: 100, wait: 5s }"`

	// The own addresses that connections to the servers are made from, in turn: some 28,000 connections each to one server. Without it the
	// system chooses. `client` shows servers the client's own address, where both are of one family; see `network`, which sets up what the system
	// needs for it, and `weir doctor`.
	Source []string `yaml:"source" example:"[10.0.0.5, 10.0.0.6]"`

	// Who carries the connections of `tcp` and `udp` listeners that lead to the pool. `proxy`: weir. `nat`: the kernel rewrites destinations, and the servers see
	// their clients; their replies have to come back through this machine. `direct`: the kernel sends frames on to the servers' hardware addresses, and the servers,
	// which have the listener's address on their loopback interface, answer their clients themselves. Servers are chosen by weight, or with `balance: hash` by the
	// client's address; no limit, retry or TLS of weir's applies.
	Mode string `yaml:"mode" default:"proxy" words:"proxy nat direct" example:"nat"`

	// Has servers see this machine's address in place of the client's, with `mode: nat`: they need not have it for their gateway.
	SNAT bool `yaml:"snat" default:"off" example:"on"`

	// The interface on whose network the servers are, with `mode: direct`.
	Interface string `yaml:"interface" example:"eth0"`

	// What becomes of `mode: nat` and `direct` when weir stops, or dies: `remove`, or `keep` until a weir with this configuration starts again and takes it over.
	OnStop string `yaml:"on_stop" default:"remove" words:"remove keep" example:"keep"`

	// The pool that answers when no server of this one is well, or there is none. Servers that are only at their limit are waited for.
	Fallback string `yaml:"fallback" example:"maintenance"`
}

// FromClient reports whether connections come from the clients' addresses.
func (p *Pool) FromClient() bool { return slices.Contains(p.Source, "client") }

// Server is one server of a pool. A bare value is its address.
type Server struct {
	// Where it is: `host:port`, a URL such as `https://host`, or `unix:/path`. Without a port: 80, or 443 over TLS. Behind a listener of `tcp`, `udp` or
	// `tls`, an IP address without a port is reached by the port that the client asks for, so that a range of ports needs one server.
	Address ServerAddress `yaml:"address,short,required" example:"10.0.0.1:8080"`

	// Its share beside the others, from 0 (none) to 65535.
	Weight int `yaml:"weight" default:"1" range:"0 65535" example:"3"`

	// Used only while no other server is well.
	Backup bool `yaml:"backup" example:"true"`

	// Servers of a lower number are used first.
	Priority int `yaml:"priority" example:"1"`

	// Its value in another product's affinity cookie, as `cookie` of a server in haproxy.cfg. See the pool's `persistence.accept`.
	Cookie string `yaml:"cookie" example:"s1"`

	// Gets nothing new; what is under way goes on.
	Drain bool `yaml:"drain" example:"true"`

	// Connections to it at the same time, idle ones included; `0` is the pool's `connections.max`.
	MaxConnections int `yaml:"max_connections" default:"0" range:"0 1000000" example:"200"`

	// Requests in flight at it at the same time; `0` is no limit.
	MaxRequests int `yaml:"max_requests" default:"0" range:"0 1000000" example:"100"`
}

// PoolLimits is what may be under way at all servers of a pool together. What one server may get is said by the server.
type PoolLimits struct {
	// Requests in flight; `0` is no limit.
	Requests int `yaml:"requests" default:"0" range:"0 10000000" example:"500"`

	// Connections, idle ones included; `0` is no limit.
	Connections int `yaml:"connections" default:"0" range:"0 10000000" example:"1000"`

	// Finds out how much each server can take, from its latency, and holds back what would only wait there. Nothing is held back
	// from a server that keeps up, however slow it is.
	Adaptive bool `yaml:"adaptive" default:"on" example:"off"`
}

// Queue holds requests while all servers are at their limit: by `criticality`, then one client after the other.
type Queue struct {
	// How many requests may wait at the same time. Another one gets 503, or takes the place of one that matters less.
	Length int `yaml:"length" default:"1000" range:"1 1000000" example:"100"`

	// How long one may wait; then it gets 503. One that would have to wait longer gets 503 at once.
	Wait Duration `yaml:"wait" default:"1s" example:"5s"`

	// Off is set by `queue: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `on` and `off`.
func (q *Queue) FromWord(word string) (err error) {
	q.Off, err = isOff(word)
	return err
}

// IsLimited reports whether something bounds what the servers get at a time.
func (p *Pool) IsLimited() bool {
	limited := p.Limits.Requests > 0 || p.Limits.Connections > 0 || p.Connections.Max > 0
	for i := range p.Servers {
		limited = limited || p.Servers[i].MaxRequests > 0 || p.Servers[i].MaxConnections > 0
	}
	return limited
}

// Connections is how many connections to the servers of a pool are opened and kept.
type Connections struct {
	// Connections to one server at the same time, idle ones included; `0` is no limit.
	Max int `yaml:"max" default:"0" example:"500"`

	// Connections to one server kept open without a request, all loops together.
	Idle int `yaml:"idle" default:"1024" example:"64"`

	// Connections to one server kept ready before they are needed, all loops together.
	Warm int `yaml:"warm" default:"0" range:"0 10000" example:"4"`

	// Whether clients share connections. Connections that NTLM or Negotiate has authenticated are never shared.
	Share bool `yaml:"share" default:"on" example:"off"`
}

// PoolTLS is how servers are met over TLS. `on` is all defaults, `off` clear text whatever the port.
type PoolTLS struct {
	// Files of the authorities that sign the servers' certificates. Without it: the system's.
	CA []string `yaml:"ca,file" example:"internal-ca.pem"`

	// Whether the servers' certificates are checked. `off` trusts anybody who answers.
	Verify bool `yaml:"verify" default:"on" example:"off"`

	// The name asked for and checked. Without it: the server's own host name, or the request's when the server is an address.
	ServerName string `yaml:"server_name" example:"mail.contoso.local"`

	// The certificate that weir shows to the servers.
	ClientCert *Certificate `yaml:"client_cert" example:"{ cert: weir.pem, key: weir.key }"`

	// Off is set by `tls: off`; Load replaces such a value by nil.
	Off bool `yaml:"-"`
}

// FromWord takes `on` and `off`.
func (t *PoolTLS) FromWord(word string) (err error) {
	t.Off, err = isOff(word)
	return err
}
