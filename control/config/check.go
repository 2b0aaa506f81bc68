package config

import "strings"

// checkWritten looks for mistakes in what was written, before anything is inherited, so that each is reported once and
// at its own place.
func (r *reader) checkWritten(cfg *Config) {
	r.checkListeners(cfg)
	for i := range cfg.Pools {
		r.checkPool(&cfg.Pools[i])
		r.checkHealthName(cfg, &cfg.Pools[i])
	}
	for i := range cfg.HealthChecks {
		r.checkHealth(joinPath("health_checks", cfg.HealthChecks[i].Name), &cfg.HealthChecks[i])
	}
	r.checkACME("tls.acme", cfg.TLS.ACME)
	if e := cfg.TLS.ECH; e != nil && e.PublicName != "" && !isHostName(e.PublicName) {
		r.wrong("tls.ech", "%q is no name", e.PublicName)
	}
	r.checkLog(&cfg.Logs.Access)
	r.checkSettings("defaults", "", &cfg.Defaults.Settings)
	r.checkMirror(cfg, "defaults.mirror", cfg.Defaults.Mirror)
	cfg.indexPools()
	r.impliedOriginal(cfg)
	r.checkFallbacks(cfg)
	r.checkWays(cfg)
	r.checkForwarding(cfg)
	r.checkSites(cfg)
	for i := range cfg.Tests {
		r.checkTest(cfg, indexPath("tests", i), &cfg.Tests[i])
	}
}

// checkResolved looks for what shows only when everything is in its place.
func (r *reader) checkResolved(cfg *Config) {
	if len(r.problems.Errors()) > 0 {
		return
	}
	if len(cfg.Sites) > 0 && r.root.value("listeners") == nil && len(cfg.Listeners) == 1 {
		r.warn(r.at("sites"), "sites", "no site has a name that a certificate could be for, and none is given under tls: served as clear text on :80 only")
	}
	for i := range cfg.Sites {
		r.warnUnreachable(&cfg.Sites[i])
		r.warnPathRules(&cfg.Sites[i])
	}
	r.checkTLS(cfg)
	r.warnUnused(cfg)
	r.warnRequestsOnly(cfg)
}

// at returns the place of a key, or of the nearest one above it.
func (r *reader) at(path string) Pos {
	c := Config{positions: r.place}
	return c.PosOf(path)
}

// wrong reports an error at a key.
func (r *reader) wrong(path, format string, args ...any) {
	r.problem(r.at(path), path, format, args...)
}

// wrongKey reports an error in a key itself.
func (r *reader) wrongKey(path, format string, args ...any) {
	pos, found := r.keys[path]
	if !found {
		pos = r.at(path)
	}
	r.problem(pos, path, format, args...)
}

// isWritten reports whether a key stands in the file, understood or not.
func (r *reader) isWritten(path string) bool {
	_, found := r.place[path]
	return found
}

// isMapping reports whether an object was written out under a top-level key.
func (r *reader) isMapping(key, name string) bool {
	named := r.root.value(key).value(name)
	return named != nil && named.kind == mapping
}

// checkPoolName reports a pool that does not exist.
func (r *reader) checkPoolName(cfg *Config, path, name string) {
	if cfg.Pool(name) != nil {
		return
	}
	near := r.nearestName(name, len(cfg.Pools), func(i int) string { return cfg.Pools[i].Name })
	r.suggest(r.at(path), path, near, "no pool %q", name)
}

// warnUnused tells of pools that nothing uses.
func (r *reader) warnUnused(cfg *Config) {
	used := map[string]bool{}
	for i := range cfg.Pools {
		used[cfg.Pools[i].Fallback] = true
	}
	for i := range cfg.Listeners {
		for _, name := range cfg.Listeners[i].pools() {
			used[name] = true
		}
	}
	for i := range cfg.Sites {
		for j := range cfg.Sites[i].Routes {
			route := &cfg.Sites[i].Routes[j]
			used[route.Pool] = true
			for k := range route.Arms {
				used[route.Arms[k].Pool] = true
			}
			if m := route.Mirror; m != nil {
				used[m.Pool] = true
			}
		}
	}
	for _, p := range cfg.Pools {
		if path := joinPath("pools", p.Name); !used[p.Name] && (p.Name != Original || r.isWritten(path)) {
			r.warn(r.at(path), path, "no route and no listener uses this pool")
		}
	}
}

// hasControl reports whether a text holds bytes that may not stand in a field's value.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
