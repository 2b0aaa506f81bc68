package config

import "strings"

// Persistence keeps a client with its server: by a cookie of weir's own, or by a table of what clients are known by. `off` is none.
type Persistence struct {
	// A cookie that weir sets. Its value is signed and tells nothing of the server.
	Cookie *PersistenceCookie `yaml:"cookie" example:"WeirServer"`

	// What a table knows clients by, in place of a cookie: `client_ip`, `header:NAME`, or `cookie:NAME` for a cookie of the servers' own.
	On HashKey `yaml:"on" example:"client_ip"`

	// How long an entry of the table lives after its last use.
	Expire Duration `yaml:"expire" default:"30m" example:"8h"`

	// How many clients the table remembers; beyond that, those that were away for longest are forgotten. 16 bytes each.
	Size int `yaml:"size" default:"100000" range:"8 100000000" example:"1000000"`

	// Pools of the same group keep a client with the same host, whatever the port: one table, and cookies that are good for each other.
	Group string `yaml:"group" example:"lync"`

	// What becomes of a request whose server is gone: `next` takes it to another one, `close` answers 503 and lets the client begin anew, a URL sends it
	// there.
	Lost string `yaml:"lost" default:"next" example:"https://login.example.com/"`

	// Whose cookies are understood besides weir's own, so that sessions survive the move to weir.
	Accept PersistenceAccept `yaml:"accept" example:"{ arr: on }"`

	// Signs the cookies. The same in all weirs that serve the same clients; without it one is made and kept under `data`.
	Secret Secret `yaml:"secret" example:"${WEIR_PERSISTENCE_KEY}"`

	// Off is set by `persistence: off`; Load replaces such a value by nil.
	Off bool `yaml:"-"`
}

// PersistenceCookie is the cookie that keeps a client with its server. A bare value is its name.
type PersistenceCookie struct {
	// Its name.
	Name string `yaml:"name,short,required" example:"WeirServer"`

	// How long the browser keeps it; without it until it is closed.
	MaxAge Duration `yaml:"max_age" default:"off" example:"8h"`

	// The domain it is sent to; without it the host alone.
	Domain string `yaml:"domain" example:"example.com"`

	// The path it is sent to.
	Path string `yaml:"path" default:"/" example:"/app"`

	// Whether it goes along with requests from other sites.
	SameSite string `yaml:"same_site" default:"lax" words:"lax strict none" example:"none"`

	// Whether it is sent over TLS alone also where it was set over clear text. Set over TLS, it always is.
	Secure bool `yaml:"secure" default:"off" example:"on"`

	// Keeps it from scripts.
	HTTPOnly bool `yaml:"http_only" default:"on" example:"off"`
}

// PersistenceAccept is whose affinity cookies are understood.
type PersistenceAccept struct {
	// IIS ARR's, by the servers' host names. The cookie's name there is ARRAffinity.
	ARR bool `yaml:"arr" default:"off" example:"on"`

	// HAProxy's: the servers' `cookie`, with or without dates, in the prefix mode too.
	HAProxy bool `yaml:"haproxy" default:"off" example:"on"`

	// HAProxy's `dynamic-cookie-key`.
	HAProxyKey Secret `yaml:"haproxy_key" example:"${HAPROXY_COOKIE_KEY}"`
}

// FromWord takes `off`.
func (p *Persistence) FromWord(word string) (err error) {
	p.Off, err = isOff(word)
	if err == nil && !p.Off {
		return problemf("want a cookie's name or what clients are known by, as in { cookie: WeirServer } or { on: client_ip }")
	}
	return err
}

func (r *reader) checkPersistence(path string, p *Persistence) {
	if p == nil || p.Off {
		return
	}
	switch {
	case p.Cookie == nil && p.On.Kind == "" && !r.failedBelow(path):
		r.wrong(path, "needs cookie or on")
	case p.Cookie != nil && p.On.Kind != "":
		r.wrong(joinPath(path, "on"), "a cookie and a table contradict each other")
	case p.On.Kind == "path" || p.On.Kind == "uri":
		r.wrong(joinPath(path, "on"), "%s says nothing of the client; to keep it with a server, balance with hash", p.On)
	}
	if c := p.Cookie; c != nil {
		r.checkCookie(joinPath(path, "cookie"), c)
	} else if r.isWritten(joinPath(path, "accept")) {
		r.wrong(joinPath(path, "accept"), "other products' values stand in cookies; name the cookie")
	}
	if p.Expire <= 0 {
		r.wrong(joinPath(path, "expire"), "a table that forgets nothing is full some day; give it a time")
	}
	if p.Group != "" && strings.Trim(p.Group, hostNameBytes+".") != "" {
		r.wrong(joinPath(path, "group"), "a group's name has letters, digits, dots, hyphens and underscores")
	}
	if l := p.Lost; l != "next" && l != "close" && !strings.HasPrefix(l, "/") && !strings.HasPrefix(l, "https://") && !strings.HasPrefix(l, "http://") {
		r.wrong(joinPath(path, "lost"), "want next, close or a URL, not %q", l)
	}
}

func (r *reader) checkCookie(path string, c *PersistenceCookie) {
	if !isToken(c.Name) {
		r.wrong(path, "%q is no name of a cookie", c.Name)
	}
	for key, text := range map[string]string{"path": c.Path, "domain": c.Domain} {
		if hasControl(text) || strings.ContainsAny(text, "; ,") {
			r.wrong(joinPath(path, key), "%q cannot stand in a cookie", text)
		}
	}
	if c.SameSite == "none" && !c.Secure {
		r.wrong(joinPath(path, "same_site"), "browsers take none over TLS alone; add secure: on")
	}
}
