package persistence

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/weir-proxy/weir/traffic/pool"
)

// Config is how clients are kept with their servers. Immutable.
type Config struct {
	Cookie     string // the cookie's name; "": Table
	Attributes string // of the cookie, with their semicolons
	Secure     bool   // the cookie is for TLS alone, whatever the request came by
	Secret     []byte // signs cookies
	Scope      string // what else must agree for a cookie or an entry to be valid: the pool's name, or the group's
	ByHost     bool   // servers of one host are one to the client, whatever the port: for groups of pools
	Accept     Accept
	Table      *Table
	Lost       Lost
}

// Lost says what becomes of a request whose server is gone or down.
type Lost uint8

const (
	LostNext     Lost = iota // another server takes the client over
	LostClose                // 503
	LostRedirect             // the client is sent elsewhere
)

// Persistence is a Config at work for one pool.
type Persistence struct {
	Config
	names, before atomic.Pointer[names]
}

// New makes it.
func New(c Config) *Persistence { return &Persistence{Config: c} }

// names is how the servers of a set are called in cookies and tables. Immutable.
type names struct {
	set     *pool.Set
	values  map[*pool.Server]string // what the cookie says
	cookies map[string]*pool.Server // those, and what other products' cookies say
	tags    map[*pool.Server]uint32
	tagged  map[uint32]*pool.Server
}

// Prepare computes the names for a set that is about to be the pool's: with thousands of servers that takes too long for a loop. Any goroutine may call it.
func (p *Persistence) Prepare(set *pool.Set) {
	if n := p.names.Load(); n == nil || n.set != set {
		p.before.Store(n) // until the loops have seen the new set
		p.names.Store(p.compute(set))
	}
}

// namesOf are the names for the servers of the moment. Where nobody prepared them, whoever comes first computes them.
func (p *Persistence) namesOf(set *pool.Set) *names {
	if n := p.names.Load(); n != nil && n.set == set {
		return n
	}
	if n := p.before.Load(); n != nil && n.set == set {
		return n
	}
	n := p.compute(set)
	p.names.Store(n)
	return n
}

func (p *Persistence) compute(set *pool.Set) *names {
	n := &names{set: set, values: map[*pool.Server]string{}, cookies: map[string]*pool.Server{},
		tags: map[*pool.Server]uint32{}, tagged: map[uint32]*pool.Server{}}
	sameName := map[string]int{}
	for _, s := range set.Servers {
		sameName[s.Name]++
	}
	for _, s := range set.Servers {
		mac := hmac.New(sha256.New, p.Secret)
		mac.Write([]byte(p.Scope + "\x00" + p.identity(s, sameName[s.Name] > 1)))
		sum := mac.Sum(nil)
		value, tag := base64.RawURLEncoding.EncodeToString(sum[:16]), binary.BigEndian.Uint32(sum[16:])
		n.values[s], n.tags[s] = value, tag
		for _, other := range p.Accept.values(s) {
			if n.cookies[other] == nil {
				n.cookies[other] = s
			}
		}
		if n.cookies[value] == nil {
			n.cookies[value] = s
		}
		if n.tagged[tag] == nil {
			n.tagged[tag] = s
		}
	}
	return n
}

// identity is what a server is known by to clients that stay with it. A server that is written by name stays itself when its address
// changes, unless the name stands for several.
func (p *Persistence) identity(s *pool.Server, isOneOfMany bool) string {
	name, port := s.Name, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && s.Address.Path == "" {
		name, port = name[:i], name[i:]
	}
	if isOneOfMany {
		name += "=" + s.Address.AddrPort.Addr().String()
	}
	if p.ByHost {
		return name
	}
	return name + port
}

// ByCookie is the server that a cookie's value names; nil if it names none. isOurs is false for another product's cookie, which weir's own has to replace.
func (p *Persistence) ByCookie(set *pool.Set, value []byte) (s *pool.Server, isOurs bool) {
	n := p.namesOf(set)
	if s = n.cookies[string(value)]; s == nil && p.Accept.HAProxy {
		s = n.cookies[string(p.Accept.trim(value))]
	}
	return s, s != nil && n.values[s] == string(value)
}

// IsSigned reports whether value has the form of weir's own cookies: such a one that names no server names one that is gone.
func IsSigned(value []byte) bool {
	return len(value) == 22 && bytes.IndexFunc(value, func(c rune) bool {
		return !(c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	}) < 0
}

// AppendSetCookie appends the field line that keeps the client with s. isSecure says that the client came by TLS.
func (p *Persistence) AppendSetCookie(dst []byte, set *pool.Set, s *pool.Server, isSecure bool) []byte {
	value, ok := p.namesOf(set).values[s]
	if !ok {
		return dst // it left while it answered
	}
	dst = append(dst, "Set-Cookie: "...)
	dst = append(dst, p.Cookie...)
	dst = append(dst, '=')
	dst = append(dst, value...)
	dst = append(dst, p.Attributes...)
	if isSecure || p.Secure {
		dst = append(dst, "; Secure"...)
	}
	return append(dst, "\r\n"...)
}

// AppendForget appends the field line that makes the client forget its cookie.
func (p *Persistence) AppendForget(dst []byte) []byte {
	dst = append(dst, "Set-Cookie: "...)
	dst = append(dst, p.Cookie...)
	dst = append(dst, '=')
	dst = append(dst, p.Attributes...)
	return append(dst, "; Max-Age=0\r\n"...)
}

// ByKey is the server that the table has for a key; nil for none. isKnown is true also when the server is gone. now is in ms of the loops' clock.
func (p *Persistence) ByKey(set *pool.Set, key uint64, now int64) (s *pool.Server, isKnown bool) {
	tag, ok := p.Table.get(key, now)
	if !ok {
		return nil, false
	}
	return p.namesOf(set).tagged[tag], true
}

// Keep notes in the table that the key's client is with s.
func (p *Persistence) Keep(set *pool.Set, key uint64, s *pool.Server, now int64) {
	if tag, ok := p.namesOf(set).tags[s]; ok {
		p.Table.put(key, tag, now)
	}
}

// Claim notes in the table that the key's client is with s, unless it is with another server by now, which it returns then; s otherwise. A client that opens several
// connections at once is so with one server from the first of them on, before that has answered.
func (p *Persistence) Claim(set *pool.Set, key uint64, s *pool.Server, now int64) *pool.Server {
	n := p.namesOf(set)
	tag, ok := n.tags[s]
	if !ok {
		return s
	}
	if other := n.tagged[p.Table.claim(key, tag, now)]; other != nil {
		return other
	}
	return s
}

// Forget takes the key out of the table.
func (p *Persistence) Forget(key uint64) { p.Table.forget(key) }

func hostOf(s *pool.Server) string {
	host := s.Name
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return ap.Addr().String()
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && s.Address.Path == "" {
		host = host[:i]
	}
	return host
}

// Clients counts the clients that the table has at s, and says in how many seconds the last of them is forgotten if none comes back. Cookies are not
// counted: nobody knows who has one.
func (p *Persistence) Clients(set *pool.Set, s *pool.Server, now int64) (n int, last uint32) {
	tag, ok := p.namesOf(set).tags[s]
	if !ok || p.Table == nil {
		return 0, 0
	}
	return p.Table.of(tag, now)
}
