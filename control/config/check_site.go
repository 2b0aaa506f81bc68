package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

func (r *reader) checkSites(cfg *Config) {
	first := map[string]string{}
	for i := range cfg.Sites {
		site := &cfg.Sites[i]
		path := joinPath("sites", site.Name)
		r.checkHostPattern(path, site.Name)
		if other, twice := first[strings.ToLower(site.Name)]; twice {
			r.wrongKey(path, "stands at %v already, as hosts know no case", r.keys[other])
		}
		first[strings.ToLower(site.Name)] = path
		r.checkSettings(path, "", &site.Settings)
		r.checkMirror(cfg, joinPath(path, "mirror"), site.Mirror)
		r.checkAction(cfg, path, "", &site.Action)
		r.checkRoutes(cfg, path, site)
	}
}

// IsPlainHost reports whether a host pattern is one name and no pattern.
func IsPlainHost(pattern string) bool { return isHostName(pattern) }

func (r *reader) checkHostPattern(path, name string) {
	if name == "*" {
		return
	}
	plain := strings.ReplaceAll(name, "*", "x")
	if ip, found := strings.CutPrefix(plain, "["); found {
		if _, err := parseIP(strings.TrimSuffix(ip, "]")); err == nil && plain == name {
			return
		}
	}
	switch {
	case strings.Contains(name, "/"):
		r.wrongKey(path, "a site is a host without scheme and path; paths are keys below it")
	case strings.Contains(name, ":"):
		r.wrongKey(path, "a site is a host without a port; ports belong to listeners")
	case !isHostName(plain) || strings.Contains(name, "**"):
		r.wrongKey(path, "want a host name, *.example.com, a glob such as app.*, or \"*\"")
	}
}

func (r *reader) checkRoutes(cfg *Config, path string, site *Site) {
	for i := range site.Routes {
		route := &site.Routes[i]
		r.checkPath(route.Key, route.Path)
		r.checkAction(cfg, route.Key, route.Path, &route.Action)
		r.checkMatch(joinPath(route.Key, "match"), &route.Match)
		r.checkSettings(route.Key, route.Path, &route.Settings)
		r.checkMirror(cfg, joinPath(route.Key, "mirror"), route.Mirror)
		if !route.Action.isSet() && !site.Action.isSet() && !r.hasAction(route.Key) && !r.hasAction(path) {
			r.wrongKey(route.Key, "does nothing; give it pool, servers, redirect or respond")
		}
	}
	if len(site.Routes) == 0 && site.Redirects == nil && !site.Action.isSet() && !r.hasAction(path) && r.isMapping("sites", site.Name) && !r.failedBelow(path) {
		r.wrongKey(path, "has no route; give it pool, servers, redirect, respond, redirects, or paths")
	}
}

// actionKeys are the keys of Action.
func actionKeys() []string {
	return []string{"pool", "servers", "redirect", "respond", "files", "rules", "split"}
}

// hasAction reports whether an action was written, understood or not; a bare value is one.
func (r *reader) hasAction(path string) bool {
	return slices.ContainsFunc(actionKeys(), func(key string) bool { return r.isWritten(joinPath(path, key)) }) || r.failed(path)
}

// failed reports whether a value has an error of its own, so that no other follows from it.
func (r *reader) failed(path string) bool {
	return r.failures[path]
}

// failedBelow reports whether a value or anything in it has an error.
func (r *reader) failedBelow(path string) bool {
	return contains(r.failures, path)
}

func (r *reader) checkPath(key, path string) {
	if expression, isRegexp := strings.CutPrefix(path, "~"); isRegexp {
		if err := checkRegexp(expression); err != nil {
			r.wrongKey(key, "%v", err)
		}
		return
	}
	body, isPrefix := strings.CutSuffix(path, "*")
	switch {
	case strings.Contains(body, "*"), isPrefix && !strings.HasSuffix(body, "/"):
		r.wrongKey(key, "a \"*\" stands for whole segments at the end, like /api/*; for more write an expression: ~^/")
	case strings.ContainsAny(path, "?#"):
		r.wrongKey(key, "a path has no query; ask for parameters with match: { query: ... }")
	case hasControl(path) || strings.Contains(path, " "):
		r.wrongKey(key, "holds bytes that a path may not have")
	}
}

func (r *reader) checkAction(cfg *Config, path, pattern string, a *Action) {
	var written []string
	for _, key := range actionKeys() {
		if r.isWritten(joinPath(path, key)) {
			written = append(written, key)
		}
	}
	if len(written) > 1 {
		second := joinPath(path, written[1])
		r.wrong(second, "%s stands at %v already, and a route does one thing", written[0], r.at(joinPath(path, written[0])))
	}
	if a.Pool != "" {
		at := path
		if len(written) > 0 {
			at = joinPath(path, "pool")
		}
		r.checkPoolName(cfg, at, a.Pool)
	}
	if len(a.Servers) > 0 {
		r.checkServers(path, &Pool{Servers: a.Servers})
	}
	if a.Redirect != nil {
		r.checkRedirect(joinPath(path, "redirect"), pattern, a.Redirect)
	}
	if a.Files != nil {
		r.checkFiles(joinPath(path, "files"), a.Files)
	}
	if a.Split != nil {
		r.checkSplit(cfg, joinPath(path, "split"), a.Split)
	}
	if a.Respond != nil {
		r.checkHeaders(joinPath(joinPath(path, "respond"), "headers"), a.Respond.Headers)
	}
}

func (r *reader) checkSplit(cfg *Config, path string, s *Split) {
	sum := 0.0
	for _, p := range s.Pools {
		r.checkPoolName(cfg, joinPath(path, p.Pool), p.Pool)
		sum += float64(max(0, p.Share))
	}
	switch {
	case r.failedBelow(path):
	case len(s.Pools) == 0:
		r.wrong(path, "needs pools and their shares, as in { stable: 90%%, canary: 10%% }")
	case math.Abs(sum-1) > 1e-6:
		r.wrong(path, "the shares add up to %v, not to 100%%", Percent(sum))
	case s.Cookie != "" && s.On.Kind != "":
		r.wrong(joinPath(path, "on"), "a cookie of weir's own and a key contradict each other")
	case s.Cookie != "" && !isToken(s.Cookie):
		r.wrong(joinPath(path, "cookie"), "%q is no name of a cookie", s.Cookie)
	}
}

func (r *reader) checkFiles(path string, f *Files) {
	for _, name := range f.Index {
		if name == "" || strings.Contains(name, "/") || strings.HasPrefix(name, ".") {
			r.wrong(joinPath(path, "index"), "want names of files in the directory itself, not %q", name)
		}
	}
	if strings.Contains(f.Fallback, "..") || strings.HasSuffix(f.Fallback, "/") {
		r.wrong(joinPath(path, "fallback"), "want the name of a file below the directory, not %q", f.Fallback)
	}
}

func (r *reader) checkRedirect(path, pattern string, redirect *Redirect) {
	to := redirect.To
	switch {
	case to == "" || to == "https":
	case hasControl(to) || strings.Contains(to, " "):
		r.wrong(path, "%q holds bytes that a URL may not have", to)
	case !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "{") && !strings.HasPrefix(to, "$") && !strings.Contains(to, "://"):
		r.wrong(path, "want a URL, a path, or https, not %q", to)
	}
	r.checkTemplate(path, to, groupsOf(pattern))
}

func (r *reader) checkMatch(path string, m *Match) {
	for _, method := range m.Methods {
		if !isToken(method) {
			r.wrong(joinPath(path, "methods"), "%q is no method", method)
		} else if upper := strings.ToUpper(method); upper != method {
			r.suggest(r.at(joinPath(path, "methods")), joinPath(path, "methods"), upper, "methods know case: %q", method)
		}
	}
	for _, h := range m.Headers {
		if !isToken(h.Name) {
			r.wrongKey(joinPath(joinPath(path, "headers"), h.Name), "%q is no field name", h.Name)
		}
	}
	for _, f := range m.ClientCert {
		if at := joinPath(joinPath(path, "client_cert"), f.Name); !slices.Contains(certificateFields, f.Name) {
			r.suggest(r.keys[at], at, nearest(f.Name, certificateFields), "want %s, not %q", orList(certificateFields), f.Name)
		}
	}
}

// certificateFields are what of a client's certificate can be matched.
var certificateFields = []string{"subject", "issuer", "san", "serial", "fingerprint"}

// warnUnreachable tells of routes before which another takes every request.
func (r *reader) warnUnreachable(site *Site) {
	if len(site.Routes) > 1000 {
		return // each is compared with each
	}
	for j := range site.Routes {
		for i := range site.Routes {
			if a, b := &site.Routes[i], &site.Routes[j]; i != j && shadows(a, b, i < j) {
				r.warn(r.at(b.Key), b.Key, "can never match: %s at %v takes all its requests", fmt.Sprintf("%q", a.Path), r.at(a.Key))
				break
			}
		}
	}
}

// shadows reports whether a is asked before b and takes all that b would.
func shadows(a, b *Route, aFirst bool) bool {
	switch {
	case a.Redirect.IsToHTTPS() && !b.Redirect.IsToHTTPS():
		return false // it takes clear text alone
	case a.Priority != b.Priority:
		return a.Priority > b.Priority && a.Match.covers(&b.Match) && pathCovers(a.Path, b.Path)
	case a.Path == b.Path:
		return aFirst && a.Match.equals(&b.Match)
	}
	return false
}

func pathCovers(a, b string) bool {
	prefix, isPrefix := strings.CutSuffix(a, "/*")
	if a == b || a == "/*" {
		return true
	}
	return isPrefix && !strings.HasPrefix(b, "~") && (b == prefix || strings.HasPrefix(b, prefix+"/"))
}
