package snapshot

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/site"
)

// keeper makes what keeps clients with servers; what routes have in common they share.
type keeper struct {
	previous map[string]*persistence.Table
	kept     map[string][]byte             // of files, from another process
	tables   map[string]*persistence.Table // by scope and key
	made     map[keeping]*site.Persistence
	key      *Key // that weir has made for itself; nil while nothing needs it
}

// keeping is a pool's servers and how their clients are kept.
type keeping struct {
	pool string
	how  *config.Persistence
}

func newKeeper(kept map[string][]byte, previous *Snapshot) *keeper {
	k := &keeper{kept: kept, tables: map[string]*persistence.Table{}, made: map[keeping]*site.Persistence{}}
	if previous != nil {
		k.previous, k.key = previous.Tables, previous.cookies
	}
	return k
}

// persistence compiles what keeps the clients of a route; nil for nothing.
func (b *siteBuilder) persistence(r *config.Route) *site.Persistence {
	c, p := r.Persistence, b.cfg.Pool(r.Pool)
	if c == nil || c.Off || p == nil {
		return nil
	}
	if b.keeper == nil { // nobody is served
		return b.newPersistence(r.Key, c, p, nil)
	}
	at := keeping{p.Name, c}
	if b.keeper.made[at] == nil {
		b.keeper.made[at] = b.newPersistence(r.Key, c, p, b.secret(r.Key, c))
	}
	return b.keeper.made[at]
}

func (b *siteBuilder) newPersistence(path string, c *config.Persistence, p *config.Pool, secret []byte) *site.Persistence {
	scope := scopeOf(p, c)
	k := persistence.Config{Scope: scope, ByHost: c.Group != "", Secret: secret}
	k.Accept = persistence.Accept{ARR: c.Accept.ARR, HAProxy: c.Accept.HAProxy, HAProxyKey: c.Accept.HAProxyKey.Value, Values: map[string]string{}}
	if c.Accept.HAProxy {
		for i := range p.Servers {
			if s := &p.Servers[i]; s.Cookie != "" {
				k.Accept.Values[s.Address.String()] = s.Cookie
			}
		}
	}
	out := &site.Persistence{}
	switch c.Lost {
	case "next":
	case "close":
		k.Lost = persistence.LostClose
	default:
		k.Lost = persistence.LostRedirect
		t, err := filter.ParseLocation(c.Lost)
		if err != nil {
			b.refuse(path+".persistence.lost", "%v", err)
		}
		out.LostTo = &site.Redirect{To: t, Status: 302}
	}
	if c.Cookie != nil {
		k.Cookie, k.Attributes, k.Secure = c.Cookie.Name, attributes(c.Cookie), c.Cookie.Secure
	} else {
		out.Key = site.Key{Kind: keyKinds[c.On.Kind], Name: c.On.Name}
		k.Table = b.keeper.table(scope, c)
	}
	out.Persistence = persistence.New(k)
	return out
}

func attributes(c *config.PersistenceCookie) string {
	var b strings.Builder
	b.WriteString("; Path=" + c.Path)
	if c.Domain != "" {
		b.WriteString("; Domain=" + c.Domain)
	}
	if c.MaxAge > 0 {
		fmt.Fprintf(&b, "; Max-Age=%d", int64(c.MaxAge.Std().Seconds()))
	}
	if c.HTTPOnly {
		b.WriteString("; HttpOnly")
	}
	b.WriteString("; SameSite=" + strings.ToUpper(c.SameSite[:1]) + c.SameSite[1:])
	return b.String()
}

// table is the one of that scope and key. It outlives reloads as long as its shape stays.
func (k *keeper) table(scope string, c *config.Persistence) *persistence.Table {
	if k == nil {
		return nil
	}
	name := scope + " by " + c.On.String()
	if k.tables[name] == nil {
		t := persistence.NewTable(c.Size, uint32(c.Expire.Std().Seconds()))
		if old := k.previous[name]; old != nil && old.IsLike(t) {
			t = old
		}
		k.tables[name] = t
	}
	return k.tables[name]
}

// secret is what signs cookies: what is written, or what weir has made for itself and kept.
func (b *siteBuilder) secret(path string, c *config.Persistence) []byte {
	if c.Secret.Value != "" {
		return []byte(c.Secret.Value)
	}
	if c.Cookie == nil {
		return nil // nobody sees what is in a table
	}
	if b.keeper.key == nil {
		b.keeper.key = openKey(b.keeper.kept, filepath.Join(b.cfg.Data, "persistence.key"))
		b.keeper.key.Lost, b.keeper.key.Instead = "clients lose their sticky servers", ", or set persistence.secret"
		b.problems = append(b.problems, b.keeper.key.warning(b.cfg)...)
	}
	return b.keeper.key.text
}

// stays is what keeps the clients of each pool.
func (k *keeper) stays() map[string][]*site.Persistence {
	out := map[string][]*site.Persistence{}
	for at, p := range k.made {
		out[at.pool] = append(out[at.pool], p)
	}
	return out
}
