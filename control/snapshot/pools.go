package snapshot

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/pool/health"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	wiretls "github.com/weir-proxy/weir/wire/tls"
)

func (b *builder) pool(p *config.Pool) {
	path := "pools." + p.Name
	if p.TLS != nil {
		b.out.files[path] = fingerprintOf(tlsFiles(p.TLS)...)
	}
	var old *site.Destination
	if b.previous != nil {
		old = b.previous.Destinations[p.Name]
		if b.isSame(p) {
			b.keepPool(p, old)
			return
		}
	}
	var oldPool *pool.Pool
	d := &site.Destination{Loops: make([]site.DestinationLoop, b.loops)}
	if old != nil {
		oldPool = old.Pool
		if len(old.Loops) == b.loops {
			d.Loops = old.Loops
		}
	}
	d.Pool = pool.New(b.poolConfig(p), oldPool)
	d.Key = hashKey(&p.Balance)
	d.EndsDown = p.OnDown == "close"
	d.Proxy = map[string]int{"v1": 1, "v2": 2}[p.ProxyProtocol]
	d.Transport = &transport.Config{
		Connect:  bounded(p.Timeouts.Connect),
		Idle:     bounded(p.Timeouts.Idle),
		MaxIdle:  perLoop(p.Connections.Idle, b.loops),
		Tolerant: p.Responses == "tolerant",
		Private:  !p.Connections.Share || p.ProxyProtocol != "",
		Warm:     max(0, perLoop(p.Connections.Warm, b.loops)),
		Sources:  b.sources(p, path),

		ByClient:   p.FromClient(),
		Generation: b.generation(p, old),
	}
	setVersion(d.Transport, p)
	if h := p.Hedge; h != nil && !h.Off && h.Budget > 0 {
		d.Hedge = site.NewHedge(float64(h.At), float64(h.Budget), b.loops)
	}
	var clientTLS *tls.Config
	if p.TLS != nil {
		clientTLS = b.clientTLS(p, path)
		opaque := clientTLS.Clone()
		opaque.NextProtos = nil
		d.Transport.OpaqueTLS = wiretls.NewDialer(opaque, p.TLS.ServerName, b.loops)
		spoken := clientTLS.Clone()
		spoken.NextProtos = versionOf(p).Protocols()
		dialer := wiretls.NewDialer(spoken, p.TLS.ServerName, b.loops)
		d.Transport.TLS = dialer
		d.Transport.ByName = p.TLS.ServerName == ""
		if d.Transport.QUIC != nil {
			d.Transport.QUIC.TLS = dialer
		}
	}
	if h := p.Health; h != nil {
		if !slices.Contains(health.Types(), healthType(p)) {
			b.refuse(path+".health.type", fmt.Sprintf("checks of type %q are not built yet; there are %v", h.Type, health.Types()))
			return
		}
		b.out.Checks = append(b.out.Checks, health.Watched{Pool: d.Pool, Config: checkConfig(p, d, clientTLS, b.isExplicit(p))})
	}
	b.out.Destinations[p.Name] = d
}

// isSame reports whether the pool, and whichever stands in for it, was not changed.
func (b *builder) isSame(p *config.Pool) bool {
	was := b.previous.Config.Pool(p.Name)
	if was == nil || !reflect.DeepEqual(was, p) || !b.sameFiles("pools."+p.Name) {
		return false
	}
	fallback := b.cfg.Pool(p.Fallback)
	return fallback == nil || b.isSame(fallback)
}

// generation is that of the pool's connections: one that is left from before a change of these keys, or of a file of theirs, would be opened in another way
// now, or not at all.
func (b *builder) generation(p *config.Pool, old *site.Destination) uint64 {
	if old == nil {
		return 0
	}
	if isMetAlike(b.previous.Config.Pool(p.Name), p) && b.sameFiles("pools."+p.Name) {
		return old.Transport.Generation
	}
	return old.Transport.Generation + 1
}

// isMetAlike reports whether connections to the servers of both pools are opened alike.
func isMetAlike(a, b *config.Pool) bool {
	return a != nil && a.Protocol == b.Protocol && a.ProxyProtocol == b.ProxyProtocol && a.Connections.Share == b.Connections.Share &&
		slices.Equal(a.Source, b.Source) && reflect.DeepEqual(a.TLS, b.TLS)
}

// linkFallbacks tells the new pools which others stand in for them.
func (b *builder) linkFallbacks() {
	for i := range b.cfg.Pools {
		p := &b.cfg.Pools[i]
		if d := b.out.Destinations[p.Name]; d != nil && p.Fallback != "" && d.Fallback == nil {
			d.Fallback = b.out.Destinations[p.Fallback]
		}
	}
}

// keepPool takes a pool over that was not changed, as it is.
func (b *builder) keepPool(p *config.Pool, d *site.Destination) {
	b.out.Destinations[p.Name] = d
	for _, c := range b.previous.Checks {
		if c.Pool == d.Pool {
			b.out.Checks = append(b.out.Checks, c)
		}
	}
}

// perLoop divides a number for all loops; none becomes -1, which the transport takes for none.
func perLoop(n, loops int) int {
	if n <= 0 {
		return -1
	}
	return (n + loops - 1) / loops
}

func (b *builder) poolConfig(p *config.Pool) pool.Config {
	c := pool.Config{Name: p.Name, Loops: b.loops, Original: p.IsOriginal(),
		Balance: pool.BalanceConfig{Policy: p.Balance.Method},
		Eject: pool.EjectConfig{Off: p.Eject.Off, Consecutive: orOff(p.Eject.Consecutive), Ratio: orOff(float64(p.Eject.Failures)),
			Requests: p.Eject.Requests, Window: ms(p.Eject.Window), Base: ms(p.Eject.Time), Share: orOff(float64(p.Eject.Most)),
			Max: ms(p.Eject.Longest), Statuses: statuses(p.Eject.Status), Deviation: orOff(p.Eject.Deviation), Volume: p.Eject.Volume},
		SlowStart: slowStart(p), Minimum: p.Minimum, Panic: float64(p.Panic),
		Retries: pool.RetryConfig{Share: orOff(float64(p.Retries.Budget))},
		Limits: pool.LimitConfig{Requests: p.Limits.Requests, Connections: p.Limits.Connections, ServerConnections: p.Connections.Max,
			AdaptiveOff: !p.Limits.Adaptive},
		Queue: pool.QueueConfig{Off: p.Queue.Off, Length: p.Queue.Length, Wait: ms(p.Queue.Wait)},
	}
	if k := p.Balance.Key(); k != nil && p.Balance.Method == "hash" {
		c.Balance.Bound = orOff(k.Load)
	}
	for i := range p.Servers {
		s := &p.Servers[i]
		address, name := s.Address.String(), ""
		if s.Address.Port == 0 && s.Address.Unix == "" {
			address, name = address+pool.SamePort, address
		}
		c.Servers = append(c.Servers, pool.ServerConfig{Name: name, Address: address, Weight: s.Weight, Backup: s.Backup,
			Priority: s.Priority, Drain: s.Drain || s.Weight == 0, MaxRequests: s.MaxRequests, MaxConnections: s.MaxConnections})
	}
	if p.SRV != "" {
		c.Servers = append(c.Servers, pool.ServerConfig{Address: "srv:" + p.SRV})
	}
	return c
}

// slowStart is none where a request has one place to go to.
func slowStart(p *config.Pool) int64 {
	switch p.Balance.Method {
	case "hash", "maglev", "first":
		return 0
	}
	return ms(p.SlowStart)
}

// orOff turns a loaded configuration's 0, which is off, into the negative number that pools take for off.
func orOff[T int | float64](n T) T {
	if n <= 0 {
		return -1
	}
	return n
}

func ms(d config.Duration) int64 { return int64(d.Std() / time.Millisecond) }

func hashKey(b *config.Balance) site.Key {
	k := b.Key()
	if k == nil {
		return site.Key{}
	}
	return site.Key{Kind: keyKinds[k.On.Kind], Name: k.On.Name}
}

var keyKinds = map[string]site.KeyKind{"client_ip": site.KeyClient, "path": site.KeyPath, "uri": site.KeyURI,
	"header": site.KeyHeader, "cookie": site.KeyCookie}

func healthType(p *config.Pool) string {
	h := p.Health
	switch {
	case h.Type == "https" && p.Protocol == "http3":
		return "http3"
	case h.Type != "":
		return h.Type
	case h.Path == "":
		return "tcp"
	case p.TLS != nil:
		return "https"
	}
	return "http"
}

// checkConfig has a pool's servers checked by the way that traffic takes to them. With source: client there is no client whose address a check could come from, so it comes
// from this machine's own. A check of another port is of another program, which is not sent the PROXY header.
func checkConfig(p *config.Pool, d *site.Destination, clientTLS *tls.Config, explicit bool) health.Config {
	h := p.Health
	c := health.Config{Type: healthType(p), Path: h.Path, Host: h.Host, Port: uint16(h.Port), Every: h.Every.Std(),
		Jitter: orOff(float64(h.Jitter)), Timeout: h.Timeout.Std(), Rise: h.Rise, Fall: h.Fall, Body: h.Expect.Body, TLS: clientTLS}
	if p.TLS != nil && p.TLS.ServerName != "" {
		c.TLS = clientTLS.Clone()
		c.TLS.ServerName = p.TLS.ServerName
	}
	if version := versionOf(p); clientTLS != nil && !h.Reuse && (version == transport.HTTP2 || version == transport.Auto) {
		c.TLS = c.TLS.Clone()
		c.TLS.NextProtos = version.Protocols()
	}
	c.Sources, c.HTTP2 = d.Transport.Sources, versionOf(p) == transport.H2C
	if h.Port == 0 {
		c.Proxy = d.Proxy
	}
	c.Reuse, c.Command, c.Encrypt = h.Reuse, h.Command, clientTLS != nil && !explicit
	for _, s := range h.Script {
		step := health.Step{Send: []byte(s.Send), Expect: s.Expect}
		if expression, isExpression := strings.CutPrefix(s.Expect, "~"); isExpression {
			step.Match = regexp.MustCompile(expression) // the configuration has been checked
		}
		c.Script = append(c.Script, step)
	}
	for _, s := range h.Expect.Status {
		c.Status = append(c.Status, health.Range{From: s.First, To: s.Last})
	}
	return c
}

// clientTLS is whom weir trusts, and who it is, towards the servers of a pool. What cannot be read refuses the configuration: a
// connection that is not verified must never come of a missing file.
func (b *builder) clientTLS(p *config.Pool, path string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !p.TLS.Verify, NextProtos: []string{"http/1.1"}}
	if len(p.TLS.CA) > 0 {
		c.RootCAs = x509.NewCertPool()
		for i, file := range p.TLS.CA {
			b.addCA(c.RootCAs, file, path+".tls.ca["+strconv.Itoa(i)+"]")
		}
	}
	if pair := p.TLS.ClientCert; pair != nil {
		cert, err := textfile.KeyPair(pair.Cert, keyFile(pair))
		if err != nil {
			b.refuse(path+".tls.client_cert", err.Error())
		} else {
			c.Certificates = []tls.Certificate{cert}
		}
	}
	return c
}

func (b *builder) addCA(into *x509.CertPool, file, path string) {
	text, err := textfile.Certificates(file)
	if err != nil {
		b.refuse(path, err.Error())
		return
	}
	into.AppendCertsFromPEM(text)
}

func keyFile(c *config.Certificate) string {
	if c.Key != "" {
		return c.Key
	}
	return c.Cert
}

// statuses is never nil: no status counts where none is written.
func statuses(list []config.StatusRange) []pool.Range {
	out := []pool.Range{}
	for _, r := range list {
		out = append(out, pool.Range{First: r.First, Last: r.Last})
	}
	return out
}
