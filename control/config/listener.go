package config

import (
	"net/netip"
	"slices"
)

// Listener is an address, or several, on which connections are accepted. A bare value is its address.
type Listener struct {
	// The name under `listeners`.
	Name string `yaml:"-,name"`

	// Where to listen: `:443`, `10.0.0.1:443`, `[::]:443`, a port range `:8000-8099`, `unix:/run/weir.sock`, or a list of these.
	// An address without a host takes all IPv4 and IPv6 addresses of the machine.
	Address []Address `yaml:"address,short,required" example:"[\":443\", \"unix:/run/weir.sock\"]"`

	// What is spoken on it.
	Protocol string `yaml:"protocol" default:"http" words:"http tcp udp tls ftp" example:"http"`

	// Turns TLS on. `on` takes everything from the top-level `tls`; certificates given here are added to those.
	TLS *TLS `yaml:"tls" example:"{ certificates: [{ cert: site.pem, key: site.key }] }"`

	// Answers every request for a host that a site has with a 308 to the same URL with this scheme, and others with 404.
	Redirect string `yaml:"redirect" words:"https" example:"https"`

	// Networks of proxies in front of weir that are believed when they say who the client is, which scheme, host and port it used, and what its
	// certificate says. What anybody else sends in such fields is discarded: `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, `True-Client-IP`, `Client-Cert`,
	// `X-Forwarded-Client-Cert`, `X-Original-URL` and the like.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" example:"[10.0.0.0/8]"`

	// In which fields the trusted proxies say it: `x_forwarded` (`X-Forwarded-For`, `-Proto`, `-Host` and `-Port`) or `rfc7239` (`Forwarded`). The other kind is
	// ignored: proxies pass on what clients send in fields that they do not write themselves.
	TrustedFields string `yaml:"trusted_fields" default:"x_forwarded" words:"x_forwarded rfc7239" example:"rfc7239"`

	// The port by which clients reach this listener, where something in front of weir translates ports. It is the one in redirects to `https` and in `Alt-Svc`.
	PublicPort int `yaml:"public_port" range:"1 65535" example:"443"`

	// The URL by which clients reach this listener, where something in front of weir ends TLS or translates names without saying so: scheme, host and port of
	// redirects and of what servers and templates are told. What a trusted proxy says goes before it.
	PublicURL string `yaml:"public_url" example:"https://app.example.com:8443"`

	// In which fields servers learn who the client is: `x_forwarded` (`X-Forwarded-For`, `-Proto`, and `-Host` where the server gets
	// another Host), `rfc7239` (`Forwarded`), `both`, or `off`.
	Forwarded string `yaml:"forwarded" default:"x_forwarded" words:"x_forwarded rfc7239 both off" example:"both"`

	// Reads the PROXY protocol, of either version, from proxies in these networks, whose connections must begin with it; over UDP each datagram, with version 2.
	// From anywhere else it is not read, so nobody can claim another's address.
	ProxyProtocol *ProxyFrom `yaml:"proxy_protocol" example:"{ from: [10.0.0.0/8] }"`

	// Networks of clients whose connections, or datagrams, are taken; those of all others are refused before anything is read. Without it: all. The client is the one
	// that the PROXY protocol names; with a pool of `mode: nat` or `direct`, where the kernel refuses them, the one whose address the packets have. Sites and routes have `allow` and `deny` of their own, which answer 403.
	Allow []netip.Prefix `yaml:"allow,some" example:"[10.0.0.0/8, 192.0.2.7]"`

	// Networks of clients that are refused, whatever `allow` says.
	Deny []netip.Prefix `yaml:"deny" example:"[203.0.113.0/24]"`

	// Takes connections that the kernel brings here, whatever their destination.
	Capture *Capture `yaml:"capture" example:"{ mode: tproxy, ports: [80], interfaces: [eth1], install: on }"`

	// What a client may send at most.
	Limits Limits `yaml:"limits" example:"{ header_size: 32KiB }"`

	// How long a client may take.
	Timeouts ListenerTimeouts `yaml:"timeouts" example:"{ idle: 2m }"`

	// The HTTP versions offered to clients and their options.
	HTTP HTTP `yaml:"http" example:"{ versions: [http1] }"`

	// The pool of a listener that is not `http`. With protocol `tls`: of clients that ask for a name of no site, or for none.
	Pool string `yaml:"pool" example:"mysql"`

	// How a listener with protocol `ftp` speaks it.
	FTP FTP `yaml:"ftp" example:"{ ports: 50000-50999 }"`

	// How the datagrams of a listener with protocol `udp` are carried.
	UDP UDP `yaml:"udp" example:"{ replies: 1 }"`

	// What becomes of the connections of a listener with protocol `tls`, by the server name that they ask for: a pool, which gets them as
	// they are, or `terminate`. The most specific pattern wins, as with the top-level `sites`.
	Sites []Passthrough `yaml:"sites,named" example:"{ a.example.com: pool-a, \"*.example.com\": pool-b, www.example.com: terminate }"`
}

// FTP is how a listener speaks FTP. With `tls` clients may ask for it by AUTH, and have to unless `tls.plaintext` is `allow`.
type FTP struct {
	// Speaks TLS from the first byte of a connection on, as on port 990, and not by AUTH.
	Implicit bool `yaml:"implicit" default:"off" example:"on"`

	// The ports that are opened for data connections, one at a time for each transfer. Without it: any that is free.
	Ports *Ports `yaml:"ports" example:"50000-50999"`

	// The IPv4 address that clients are told in replies to PASV, where they reach weir by another one than it has, behind NAT. Without it: the one they came to.
	Announce netip.Addr `yaml:"announce" example:"203.0.113.5"`

	// What clients are greeted with. They see nothing of the server's own greeting.
	Greeting string `yaml:"greeting" default:"FTP server ready" example:"Files of example.com"`

	// Pools by the user's name. Weir then greets clients itself, and others' users go to the listener's `pool`, if it has one.
	Users []FTPUser `yaml:"users,named" example:"{ anna: files-a, bert: files-b }"`
}

// FTPUser is the pool of a user. A bare value is the pool.
type FTPUser struct {
	// The user's name.
	Name string `yaml:"-,name"`

	// The pool.
	Pool string `yaml:"pool,short,required" example:"files-a"`
}

// UDP is how datagrams are carried. Those of one client are a flow, which goes to one server.
type UDP struct {
	// How many datagrams answer each of a client's, as `1` for DNS: with the last of them the flow ends, and a server that gives none has failed.
	// `0` is any number at any time, as for QUIC, RTP or syslog.
	Replies int `yaml:"replies" default:"0" range:"0 1000" example:"1"`

	// Silence in both directions after which a flow ends.
	Idle Duration `yaml:"idle" default:"30s" example:"2m"`

	// Flows at the same time. Another one takes the place of the one that was silent longest among those whose client has not answered a reply,
	// and is dropped if there is none.
	Flows int `yaml:"flows" default:"65536" range:"1 10000000" example:"10000"`

	// How many times as much as it has sent a client may get before it has answered a reply, and so shown that its address is its own. A datagram
	// of a client counts as 512 bytes at least, and one reply to each of them always passes. `0` is no limit.
	Amplification int `yaml:"amplification" default:"3" range:"0 100" example:"10"`
}

// ProxyFrom is who speaks the PROXY protocol to a listener. A bare value is `from`.
type ProxyFrom struct {
	// Networks of the proxies.
	From []netip.Prefix `yaml:"from,short,required" example:"[10.0.0.0/8, 192.0.2.7]"`
}

// Passthrough is what becomes of TLS connections that ask for a name. A bare value is the pool, or `terminate`.
type Passthrough struct {
	// The pattern of the names: exact, `*.example.com`, a glob such as `lyncweb.*`, or `"*"` for the rest.
	Name string `yaml:"-,name"`

	// The pool whose servers get the connections as they are.
	Pool string `yaml:"pool" example:"pool-a"`

	// Pools for protocols that clients offer (ALPN), by name: the first of the client's list that is among them wins over `pool`.
	ALPN []ALPN `yaml:"alpn,named" example:"{ h2: pool-h2, acme-tls/1: pool-acme }"`

	// Ends TLS here, with the listener's `tls`, and serves the requests by the top-level `sites`.
	Terminate bool `yaml:"terminate" default:"off" example:"on"`
}

// ALPN is the pool for a protocol. A bare value is the pool.
type ALPN struct {
	// The protocol's name.
	Name string `yaml:"-,name"`

	// The pool.
	Pool string `yaml:"pool,short,required" example:"pool-h2"`
}

// FromWord takes a pool's name and `terminate`.
func (p *Passthrough) FromWord(word string) error {
	if word == "terminate" {
		p.Terminate = true
	} else {
		p.Pool = word
	}
	return nil
}

// pools are the pools that the listener leads to, by the path of the key that names them.
func (l *Listener) pools() map[string]string {
	at, path := map[string]string{}, joinPath("listeners", l.Name)
	if l.Pool != "" {
		at[path+".pool"] = l.Pool
	}
	for _, u := range l.FTP.Users {
		at[joinPath(path+".ftp.users", u.Name)] = u.Pool
	}
	for i := range l.Sites {
		s, below := &l.Sites[i], joinPath(path+".sites", l.Sites[i].Name)
		if s.Pool != "" {
			at[below+".pool"] = s.Pool
		}
		for _, a := range s.ALPN {
			at[joinPath(below+".alpn", a.Name)] = a.Pool
		}
	}
	return at
}

// IsHTTP reports whether requests come on the listener.
func (l *Listener) IsHTTP() bool { return l.Protocol == "http" }

// Offers reports whether the listener offers a version of HTTP by its word in the file: all that are built, unless the file says which.
func (l *Listener) Offers(version string) bool {
	return len(l.HTTP.Versions) == 0 || slices.Contains(l.HTTP.Versions, version)
}

// SpeaksHTTP3 reports whether the listener offers HTTP/3, over UDP on the ports of its TLS.
func (l *Listener) SpeaksHTTP3() bool {
	return l.IsHTTP() && l.TLS != nil && l.Offers("http3") &&
		slices.ContainsFunc(l.Address, func(a Address) bool { return a.Unix == "" })
}

// Terminates reports whether a listener of protocol tls ends TLS for some names.
func (l *Listener) Terminates() bool {
	for i := range l.Sites {
		if l.Sites[i].Terminate {
			return true
		}
	}
	return false
}

// Limits bounds what a client may send on a listener. What exceeds one is answered with 414, 431 or 503.
type Limits struct {
	// All header fields of a request together.
	HeaderSize Size `yaml:"header_size" default:"64KiB" example:"32KiB"`

	// The number of header fields of a request.
	HeaderCount int `yaml:"header_count" default:"128" example:"64"`

	// The request line's target.
	URLSize Size `yaml:"url_size" default:"16KiB" example:"8KiB"`

	// Connections open at the same time; `0` is no limit but the system's. When all are in use, idle ones and those that do not go on make room for new ones.
	Connections int `yaml:"connections" default:"0" example:"10000"`

	// Connections that one client may have open at the same time: a number, or a share of `connections` or, without that, of what the system lets weir have. A client is an address, of IPv6 a
	// /64 network. Trusted proxies may have any number. `off` is no limit.
	ConnectionsPerClient ClientShare `yaml:"connections_per_client" default:"25%" example:"100"`

	// Requests on one connection before it is closed; `0` is no limit.
	Requests int `yaml:"requests" default:"0" example:"1000"`
}

// ListenerTimeouts bounds how long a client may take. `off` waits for ever.
type ListenerTimeouts struct {
	// The TLS handshake.
	Handshake Duration `yaml:"handshake" default:"10s" example:"5s"`

	// The head of a request, from its first byte to its last.
	Header Duration `yaml:"header" default:"10s" example:"5s"`

	// The pause between two arrivals of a request's body.
	Body Duration `yaml:"body" default:"30s" example:"1m"`

	// The pause in which the client takes none of the response.
	Send Duration `yaml:"send" default:"30s" example:"1m"`

	// A kept-open connection without a request.
	Idle Duration `yaml:"idle" default:"75s" example:"2m"`

	// What is in flight when the listener goes away: a reload that drops it, or the end of weir.
	Drain Duration `yaml:"drain" default:"30s" example:"5m"`
}

// HTTP says which versions are spoken. A bare value is the versions.
type HTTP struct {
	// The versions offered to clients. Without it: all that are built.
	Versions []string `yaml:"versions,short" words:"http1 http2 http3" example:"[http1]"`

	// Whether a client of HTTP/1.1 may finish sending and wait for its answer, as `printf … | nc` does. Such a client is probed with 100 (Continue) to find out
	// whether it has left. `off`: it has left, and its request is given up.
	HalfClosed string `yaml:"half_closed" default:"on" words:"on off" example:"off"`
}
