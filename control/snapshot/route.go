package snapshot

import (
	"regexp"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// route compiles a route; nil when its path cannot be.
func (b *siteBuilder) route(host string, c *config.Route) *site.Route {
	path, err := site.ParsePathPattern(c.Path)
	if err != nil {
		b.refuse(c.Key, "%v", err)
		return nil
	}
	r := &site.Route{
		Site: host, Pattern: c.Path, Name: host + c.Path, Place: b.cfg.PosOf(c.Key).String(),
		Match:     b.match(c, path),
		Rewrite:   b.rewrite(c),
		BodyLimit: int64(c.BodyLimit),
		Response:  bounded(c.Timeouts.Response),
		Request:   c.Timeouts.Request.Std(),
		Stream:    bounded(c.Timeouts.Stream),
		Tunnel:    bounded(c.Timeouts.Tunnel),
		Unlogged:  c.AccessLog == "off",
		GRPCWeb:   c.GRPCWeb == "on",
		Via:       c.Via == "on",
		Retries:   int(c.Retries.Count),
		Class:     pool.ClassOf(c.Criticality),

		RequestHeaders:  b.headerEdit(c.Key+".request_headers", &c.RequestHeaders),
		ResponseHeaders: b.headerEdit(c.Key+".response_headers", &c.ResponseHeaders),
	}
	if c.Timeouts.Body != 0 {
		r.Body = bounded(c.Timeouts.Body)
	}
	r.HidesTimeLeft = r.RequestHeaders.Removes("X-Envoy-Expected-Rq-Timeout-Ms")
	if r.Request > 0 {
		if r.RequestHeaders == nil {
			r.RequestHeaders = filter.NewHeaderEdit()
		}
		r.RequestHeaders.Remove("X-Envoy-Expected-Rq-Timeout-Ms") // weir says itself what is left
	}
	if len(c.Allow)+len(c.Deny) > 0 {
		r.Access = access(c.Allow, c.Deny)
	}
	switch c.Host {
	case "", "preserve":
	case "server":
		r.Host = site.HostServer
	default:
		r.Host, r.HostName = site.HostNamed, c.Host
	}
	r.Paths = r.Rewrite.Reverse(r.Match.Path.Before())
	r.Identity = identity(c, r)
	r.Pages, r.Maintenance = errorPages(c.ErrorPages), maintenance(c.Maintenance)
	b.action(c, r)
	r.UsesGroups = r.Rewrite.UsesGroups() || r.Redirect != nil && r.Redirect.To.UsesGroups()
	return r
}

// action sets the one thing that the route does.
func (b *siteBuilder) action(c *config.Route, r *site.Route) {
	switch {
	case c.Redirect != nil:
		r.Redirect = b.redirect(c.Key+".redirect", c.Redirect, groupNames(strings.TrimPrefix(c.Path, "~")))
	case c.Files != nil:
		b.files(c, r)
	case c.Split != nil:
		r.Split = b.split(c, r)
	case c.Respond != nil:
		r.Respond = b.respond(c.Key+".respond", c.Respond)
	default:
		r.Destination = b.destinations(c.Pool)
		if p := b.cfg.Pool(c.Pool); p != nil {
			r.Connect = ownConnect(c.Timeouts.Connect, p.Timeouts.Connect)
			if d := r.Destination; d != nil && c.Retries.Budget != p.Retries.Budget {
				r.Budgets = pool.NewBudgets(pool.RetryConfig{Share: orOff(float64(c.Retries.Budget))}, max(1, len(d.Loops)))
			}
		}
		r.Persistence = b.persistence(c)
		r.Buffer = b.buffer(c.Buffer)
		r.Mirror = b.mirror(c)
		if c.EarlyHints == "on" && r.Destination != nil {
			r.Hints = site.NewHints(max(1, len(r.Destination.Loops)))
		}
	}
}

// ownConnect is a route's time to connect where it is not its pool's; 0 where it is, and a pool that stands in has its own.
func ownConnect(route, pool config.Duration) time.Duration {
	if route == pool {
		return 0
	}
	return bounded(route)
}

// identity is how the servers of a route are hidden; nil where they may be seen.
func identity(c *config.Route, r *site.Route) *filter.Identity {
	if c.Identities.Mode == "show" {
		return nil
	}
	i := &filter.Identity{Paths: r.Paths}
	for _, name := range c.Identities.Names {
		i.Names = append(i.Names, strings.ToLower(name))
	}
	if r.Host == site.HostNamed {
		host, _, _ := strings.Cut(strings.ToLower(r.HostName), ":")
		i.Names = append(i.Names, host)
	}
	return i
}

// groupNames are the names of an expression's groups, by number.
func groupNames(expression string) []string {
	if compiled, err := regexp.Compile(expression); err == nil {
		return compiled.SubexpNames()
	}
	return nil
}

func (b *siteBuilder) redirect(path string, c *config.Redirect, names []string) *site.Redirect {
	to := c.To
	if c.IsToHTTPS() {
		to = "https://{host}{uri}"
	}
	t, err := filter.ParseLocation(to, names...)
	if err != nil {
		b.refuse(path, "%v", err)
	}
	return &site.Redirect{To: t, Status: c.Status}
}

func (b *siteBuilder) respond(path string, c *config.Respond) *site.Respond {
	a := &site.Respond{Status: c.Status, Body: []byte(c.Body)}
	if len(c.Headers) > 0 {
		a.Headers = b.headerEdit(path+".headers", &config.HeaderEdit{Set: c.Headers})
		a.HasType = a.Headers.Drops([]byte("Content-Type"))
	}
	return a
}

func (b *siteBuilder) rewrite(c *config.Route) *filter.Rewrite {
	w, at := c.Rewrite, c.Key+".rewrite"
	if w == nil {
		return nil
	}
	r := &filter.Rewrite{}
	var err error
	names := groupNames(strings.TrimPrefix(c.Path, "~"))
	if w.Pattern != "" {
		names = groupNames(w.Pattern)
	}
	if w.Path != "" {
		if r.Path, err = filter.ParsePath(w.Path, names...); err != nil {
			b.refuse(at, "%v", err)
		}
	}
	if w.Pattern != "" {
		if r.Pattern, err = regexp.Compile(w.Pattern); err != nil {
			b.refuse(at+".pattern", "%v", err)
		}
	}
	if !w.Query.IsEmpty() {
		r.Query = b.queryEdit(at+".query", &w.Query, names)
	}
	return r
}

func (b *siteBuilder) queryEdit(path string, c *config.QueryEdit, names []string) *filter.QueryEdit {
	e := filter.NewQueryEdit()
	for _, name := range c.Remove {
		e.Remove(name)
	}
	for _, p := range c.Set {
		if err := e.Set(p.Name, p.Value.Value, names...); err != nil {
			b.refuse(path+".set", "%v", err)
		}
	}
	for _, p := range c.Add {
		if err := e.Add(p.Name, p.Value.Value, names...); err != nil {
			b.refuse(path+".add", "%v", err)
		}
	}
	return e
}

// headerEdit compiles an edit; nil when it changes nothing.
func (b *siteBuilder) headerEdit(path string, c *config.HeaderEdit) *filter.HeaderEdit {
	if c.IsEmpty() {
		return nil
	}
	e := filter.NewHeaderEdit()
	for _, name := range c.Remove {
		e.Remove(name)
	}
	for _, h := range c.Set {
		b.refuseField(path+".set", h.Name, setField(e, h))
	}
	for _, h := range c.Add {
		b.refuseField(path+".add", h.Name, addField(e, h))
	}
	return e
}

func (b *siteBuilder) refuseField(path, name string, err error) {
	if err != nil {
		b.refuse(path, "%s: %v", name, err)
	}
}
