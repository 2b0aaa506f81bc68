package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/site"
)

// isLayer4 reports whether a URL asks for a connection or a datagram: tcp://host:port, udp://…, ftp://…, and tls://name:port, whose host is the
// name that the client asks for, and whose path, if there is one, the protocol that it offers.
func isLayer4(url string) bool {
	scheme, _, found := strings.Cut(url, "://")
	scheme = strings.ToLower(scheme)
	return found && (scheme == "tcp" || scheme == "udp" || scheme == "tls" || scheme == "ftp")
}

// layer4 says what becomes of a connection or a datagram.
func (w *World) layer4(r *Request) (*Answer, error) {
	scheme, rest, _ := strings.Cut(r.URL, "://")
	scheme = strings.ToLower(scheme)
	rest, offered, _ := strings.Cut(rest, "/")
	host, port := splitHost([]byte(rest))
	if len(port) == 0 {
		return nil, fmt.Errorf("%q has no port; write it like %s://example.com:1234", r.URL, scheme)
	}
	a := &Answer{Scheme: scheme, Host: rest, Client: r.Client.String(), Filters: []Step{}, ResponseSet: []Field{}, ResponseRemove: []string{}, Why: []Step{}}
	if !r.Client.IsValid() {
		a.Client = DefaultClient().String()
	}
	l, _, why := w.layer4Listener(scheme, string(port), reached(rest, r.To))
	if l == nil {
		a.Why = append(a.Why, Step{What: "listener", Why: "no listener with protocol " + scheme + " takes port " + string(port)})
		a.Local = &Local{Reason: "no listener"}
		return a, nil
	}
	a.Listener = l.Name
	a.Why = append(a.Why, Step{What: "listener", Name: l.Name, Taken: true, Why: why + ", protocol " + scheme})
	if p := w.cfg.Pool(l.Pool); p != nil && p.IsForwarded() && l.Protocol != "ftp" && len(l.Sites) == 0 {
		a.forward(l, p)
		return a, nil
	}
	a.opening(l)
	pool := l.Pool
	if len(l.Sites) > 0 {
		var terminates bool
		if pool, terminates = a.byName(l, string(host), offered); terminates {
			a.step("terminate", "TLS ends here, and requests go on as with https://%s", rest)
			a.Local = &Local{Reason: "terminated"}
			return a, nil
		}
	}
	for _, u := range l.FTP.Users {
		a.step("ftp.users", "%s goes to pool %s", u.Name, u.Pool)
	}
	if p := w.cfg.Pool(pool); p != nil {
		a.carry(l, p)
	} else if len(l.FTP.Users) == 0 {
		a.Local = &Local{Reason: reason.NoSite.String()}
	}
	return a, nil
}

func (a *Answer) step(what, format string, args ...any) {
	a.Filters = append(a.Filters, Step{What: what, Why: fmt.Sprintf(format, args...)})
}

// opening is what comes before the first byte that is carried.
func (a *Answer) opening(l *config.Listener) {
	if p := l.ProxyProtocol; p != nil {
		a.step("proxy_protocol", "a header is read, and must come, from proxies in %v", p.From)
	}
	switch {
	case l.TLS == nil || l.Protocol == "tls":
	case l.Protocol == "ftp" && !l.FTP.Implicit:
		a.step("tls", "by AUTH; plaintext: %s", l.TLS.Plaintext)
	default:
		a.step("tls", "ends here; plaintext: %s", l.TLS.Plaintext)
	}
	if n := l.Limits.Connections; n > 0 {
		a.step("limits.connections", "%d at the same time", n)
	}
	if l.Protocol == "udp" {
		u := &l.UDP
		replies := "any number of replies"
		if u.Replies > 0 {
			replies = fmt.Sprintf("%d replies to each datagram, with which the flow ends", u.Replies)
		}
		a.step("udp", "%s; ends after %v of silence; at most %d flows", replies, u.Idle, u.Flows)
	}
}

// byName finds what becomes of a TLS connection that asks for a name, as the running weir does.
func (a *Answer) byName(l *config.Listener, name, offered string) (pool string, terminates bool) {
	s := passthroughOf(l, name)
	if s == nil {
		a.Why = append(a.Why, Step{What: "site", Why: "no site of the listener takes the name " + name})
		return l.Pool, false
	}
	a.Site = s.Name
	a.Why = append(a.Why, Step{What: "site", Name: s.Name, Taken: true, Why: "is the most specific that takes the name " + name})
	for _, p := range s.ALPN {
		if p.Name == offered {
			a.step("alpn", "%s goes to pool %s", p.Name, p.Pool)
			return p.Pool, false
		}
	}
	return s.Pool, s.Terminate
}

// passthroughOf is what a listener of protocol tls does with connections that ask for the name; nil if no pattern takes it.
func passthroughOf(l *config.Listener, name string) *config.Passthrough {
	var specs []site.Spec
	for i := range l.Sites {
		specs = append(specs, site.Spec{Pattern: l.Sites[i].Name})
	}
	index, _ := site.NewIndex(specs)
	found := index.FindSite([]byte(name))
	for i := range l.Sites {
		if found != nil && l.Sites[i].Name == found.Pattern {
			return &l.Sites[i]
		}
	}
	return nil
}

// forward says how the kernel carries connections to a server of the pool, without weir.
func (a *Answer) forward(l *config.Listener, p *config.Pool) {
	a.Pool = poolOf(p)
	a.Pool.Balance, a.Pool.Mode = p.KernelBalance(), p.Mode
	for what, list := range map[string][]netip.Prefix{"allow": l.Allow, "deny": l.Deny} {
		if len(list) > 0 {
			a.step(what, "the kernel %ss clients in %v", what, list)
		}
	}
	slices.SortFunc(a.Filters, func(a, b Step) int { return strings.Compare(a.What, b.What) })
	switch {
	case p.Mode == "direct":
		a.step("mode", "direct: the kernel sends frames on by %s with the server's hardware address; servers have the listener's address and answer clients themselves", p.Interface)
	case p.SNAT:
		a.step("mode", "nat: the kernel rewrites the destination, and the source to this machine's address, which servers see as their client")
	default:
		a.step("mode", "nat: the kernel rewrites the destination; servers see the client's address, and their way back has to lead through this machine")
	}
	if p.OnStop == "keep" {
		a.step("on_stop", "the kernel goes on without weir")
	}
}

func poolOf(p *config.Pool) *Pool {
	to := &Pool{Name: p.Name, Balance: p.Balance.Method, Servers: []string{}, isCarried: true}
	for i := range p.Servers {
		to.Servers = append(to.Servers, p.Servers[i].Address.String())
	}
	if p.SRV != "" {
		to.Servers = append(to.Servers, "srv:"+p.SRV)
	}
	return to
}

// carry says how connections come to a server of the pool.
func (a *Answer) carry(l *config.Listener, p *config.Pool) {
	a.Pool = poolOf(p)
	a.Pool.Attempts, a.Pool.Timeout, a.Pool.Secure = 1+int(p.Retries.Count), p.Timeouts.Connect.String(), l.Protocol == "tcp" && p.TLS != nil
	if k := p.Balance.Key(); k != nil {
		a.Pool.Balance += " on " + k.On.String()
	}
	if s := p.Persistence; s != nil && !s.Off {
		a.step("persistence", "clients stay with their server, by %s, for %v after their last connection", s.On, s.Expire)
	}
	if p.ProxyProtocol != "" {
		a.step("proxy_protocol", "%s, in front of what the server gets", p.ProxyProtocol)
	}
	if l.Protocol == "udp" {
		a.Pool.Attempts = 1
		return
	}
	a.step("timeouts.tunnel", "%v of silence in both directions", p.Timeouts.Tunnel)
	if p.Timeouts.Lifetime > 0 {
		a.step("timeouts.lifetime", "%v at most", p.Timeouts.Lifetime)
	}
	if p.Fallback != "" {
		a.step("fallback", "pool %s when no server of %s is well", p.Fallback, p.Name)
	}
	if p.IsLimited() && !p.Queue.Off {
		a.step("queue", "waits at most %v, among at most %d, while every server is at its limit", p.Queue.Wait, p.Queue.Length)
	}
}
