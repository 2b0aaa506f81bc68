package explain

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http1"
)

// apply does what the route says before a server is involved, and hands on to its pool.
func (a *asking) apply() {
	r := a.route
	if r.UsesGroups {
		a.facts.Groups = r.Match.Path.AppendGroups(nil, a.facts.Path)
	}
	if a.mayPass() && a.inService() && a.fits() {
		a.act()
	}
	a.errorPage()
	a.responseEdits()
}

func (a *asking) redirect(to *site.Redirect) {
	a.out.Local = &Local{Status: to.Status, Reason: reason.Redirected.String(), Location: string(to.AppendLocation(nil, &a.facts))}
}

func (a *asking) act() {
	r := a.route
	switch {
	case r.Moved != nil:
		a.redirect(r.Moved.Of(a.facts.Path, a.facts.Query))
	case r.Redirect != nil:
		a.redirect(r.Redirect)
	case r.Split != nil:
		a.divide(r.Split)
		a.act()
	case r.Files != nil:
		a.files()
	case r.Respond != nil:
		a.respond(r.Respond)
	case a.rewrite():
		a.identities()
		a.persistence()
		a.buffer()
		a.mirror()
		if r.Hints != nil {
			a.step("early_hints", "links that the page had others load are told before the server answers")
		}
		a.toPool()
	}
}

func (a *asking) step(what, format string, args ...any) {
	a.out.Filters = append(a.out.Filters, Step{What: what, Why: fmt.Sprintf(format, args...)})
}

// mayPass asks allow and deny.
func (a *asking) mayPass() bool {
	rules := a.route.Access
	if rules == nil {
		return true
	}
	switch {
	case rules.Deny.Contains(a.from):
		a.step("deny", "client %v is in %s", a.from, join(rules.Deny.Prefixes()))
	case rules.Allow != nil && !rules.Allow.Contains(a.from):
		a.step("allow", "client %v is not in %s", a.from, join(rules.Allow.Prefixes()))
	case rules.Allow != nil:
		a.step("allow", "client %v is in %s", a.from, join(rules.Allow.Prefixes()))
		return true
	default:
		a.step("deny", "client %v is not in %s", a.from, join(rules.Deny.Prefixes()))
		return true
	}
	return a.fail(403, reason.Denied, "")
}

// inService asks whether the route is in maintenance.
func (a *asking) inService() bool {
	m := a.route.Maintenance
	switch {
	case m == nil:
		return true
	case m.Allow.Contains(a.from):
		a.step("maintenance", "client %v is in %s, which are served", a.from, join(m.Allow.Prefixes()))
		return true
	}
	a.step("maintenance", "the servers are worked on; clients are told to come again in %d seconds", m.RetryIn)
	return a.fail(503, reason.Maintenance, "")
}

// errorPage says where an answer of weir's own is more than its bare words.
func (a *asking) errorPage() {
	l := a.out.Local
	if l == nil || l.Body != "" || l.Status < 400 {
		return
	}
	m := a.route.Maintenance
	if a.route.Pages.Of(l.Status) != nil || l.Reason == reason.Maintenance.String() && m != nil && m.Page != nil {
		a.step("error_pages", "there is a page for %d", l.Status)
	}
}

func join(prefixes []netip.Prefix) string {
	var words []string
	for _, p := range prefixes {
		words = append(words, p.String())
	}
	return strings.Join(words, ", ")
}

// fits asks the limit of the body's size, where the request says one.
func (a *asking) fits() bool {
	limit := a.route.BodyLimit
	if limit <= 0 || a.req.Length == 0 {
		return true
	}
	if a.req.Length > limit {
		a.step("body_limit", "%d bytes are more than %v", a.req.Length, config.Size(limit))
		return a.fail(http1.FaultBodyTooLarge.Status, reason.ClientBodyTooLarge, http1.FaultBodyTooLarge.Reason)
	}
	a.step("body_limit", "%d bytes are within %v", a.req.Length, config.Size(limit))
	return true
}

func (a *asking) respond(r *site.Respond) {
	l := &Local{Status: r.Status, Reason: reason.Responded.String(), Body: string(r.Body)}
	l.Fields = fieldsOf(r.Headers, &a.facts)
	if len(r.Body) > 0 && !r.HasType {
		l.Fields = append(l.Fields, Field{"Content-Type", "text/plain; charset=utf-8"})
	}
	a.out.Local = l
}

func (a *asking) rewrite() bool {
	f := &a.facts
	if a.route.Rewrite == nil {
		a.forward = a.raw
		if f.HasQuery {
			a.forward = append(append(a.raw[:len(a.raw):len(a.raw)], '?'), f.Query...)
		}
		return true
	}
	out, ok := a.route.Rewrite.Append(nil, f)
	if !ok {
		a.step("rewrite", "the new path has no normal form, which servers could be misled by")
		return a.fail(http1.FaultPath.Status, reason.ClientMalformed, http1.FaultPath.Reason)
	}
	a.forward = out
	a.step("rewrite", "the server gets %s", out)
	return true
}

// files says where the file is looked for; whether it is there the running weir knows.
func (a *asking) files() {
	if m := a.facts.Method; string(m) != "GET" && string(m) != "HEAD" {
		a.fail(405, reason.FileMethod, "")
		return
	}
	path := a.facts.Path[a.route.FilesSkip:]
	if a.rewrite() && a.route.Rewrite != nil {
		path, _, _ = bytes.Cut(a.forward, []byte("?"))
	}
	if a.out.Local == nil {
		a.step("files", "%s is looked for in %s", path, a.route.Files.Root)
		a.out.Local = &Local{Status: 200, Reason: reason.FileServed.String()}
	}
}

// identities says what is not as it goes without saying: servers are hidden, and their paths are the public ones.
func (a *asking) identities() {
	i := a.route.Identity
	switch {
	case i == nil:
		a.step("identities", "clients may see which server answers")
	case i.Paths != nil:
		a.step("identities", "in answers, the server's %s becomes %s", i.Paths.Server, i.Paths.Public)
	}
}

// persistence says what keeps the client with a server. Which one that is the running weir knows.
func (a *asking) persistence() {
	p := a.route.Persistence
	switch {
	case p == nil:
	case p.Cookie != "":
		a.step("persistence", "the client stays with the server that its cookie %s names", p.Cookie)
	default:
		a.step("persistence", "the client stays with the server that the table has for its %s", p.Key)
	}
}

func (a *asking) responseEdits() {
	e := a.route.ResponseHeaders
	if e == nil {
		return
	}
	set := fieldsOf(e, &a.facts)
	a.out.ResponseSet = append(a.out.ResponseSet, set...)
	a.out.ResponseRemove = append(a.out.ResponseRemove, e.Dropped()...)
	a.edits("response_headers", e, set)
}

func (a *asking) edits(what string, e *filter.HeaderEdit, set []Field) {
	for _, name := range e.Dropped() {
		if !has(set, name) {
			a.step(what, "without %s", name)
		}
	}
	for _, f := range set {
		a.step(what, "%s: %s", f.Name, f.Value)
	}
}

func has(fields []Field, name string) bool {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// fieldsOf are the lines that an edit writes.
func fieldsOf(e *filter.HeaderEdit, f *filter.Facts) (list []Field) {
	if e == nil {
		return nil
	}
	for line := range strings.SplitSeq(string(e.Append(nil, f)), "\r\n") {
		if name, value, found := strings.Cut(line, ": "); found {
			list = append(list, Field{name, value})
		}
	}
	return list
}
