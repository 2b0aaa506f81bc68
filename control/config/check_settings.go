package config

import (
	"regexp"
	"slices"
	"strings"
)

// Variables are the words that may stand in braces in redirects, rewrites and header values.
func Variables() []string {
	return []string{"client_cert", "client_cert_fingerprint", "client_cert_issuer", "client_cert_san", "client_cert_serial", "client_cert_subject",
		"client_cert_verified", "client_ip", "dest_ip", "dest_port", "host", "ja4", "method", "path", "port", "query", "scheme",
		"tls_cipher", "tls_server_name", "tls_version", "uri"}
}

// managedFields are those that weir writes itself; editing them would break framing or let clients be forged.
func managedFields() map[string]string {
	return map[string]string{
		"host":              "use the key host",
		"connection":        "it belongs to the connection",
		"keep-alive":        "it belongs to the connection",
		"transfer-encoding": "it frames the message",
		"content-length":    "it frames the message",
		"te":                "it belongs to the connection",
		"trailer":           "it frames the message",
		"upgrade":           "it belongs to the connection",
	}
}

// checkSettings checks what a route, site or the defaults say; pattern is the route's path, empty for the others.
func (r *reader) checkSettings(path, pattern string, s *Settings) {
	r.checkEdit(joinPath(path, "request_headers"), &s.RequestHeaders)
	r.checkEdit(joinPath(path, "response_headers"), &s.ResponseHeaders)
	r.checkPersistence(joinPath(path, "persistence"), s.Persistence)
	r.checkBuffer(joinPath(path, "buffer"), s.Buffer)
	if s.Rewrite != nil {
		r.checkRewrite(joinPath(path, "rewrite"), pattern, s.Rewrite)
	}
	if s.Host != "" && !isHostName(hostOf(s.Host)) {
		r.wrong(joinPath(path, "host"), "want preserve, server or a host name, not %q", s.Host)
	}
	r.checkErrorPages(joinPath(path, "error_pages"), s.ErrorPages)
	for i, name := range s.Identities.Names {
		if !isHostName(strings.TrimPrefix(name, "*.")) {
			r.wrong(indexPath(joinPath(joinPath(path, "identities"), "names"), i), "want a host name, or *. and a domain, not %q", name)
		}
	}
	if idle := joinPath(path, "timeouts") + ".idle"; path != "defaults" && r.isWritten(idle) {
		r.wrong(idle, "connections are kept by the pool; write it there or under defaults")
	}
}

func hostOf(text string) string {
	host, port, found := strings.Cut(text, ":")
	if _, err := parsePort(port); found && err != nil {
		return ""
	}
	return host
}

func (r *reader) checkEdit(path string, e *HeaderEdit) {
	r.checkHeaders(joinPath(path, "set"), e.Set)
	r.checkHeaders(joinPath(path, "add"), e.Add)
	for _, name := range e.Remove {
		r.checkFieldName(joinPath(path, "remove"), name)
	}
}

func (r *reader) checkHeaders(path string, list []Header) {
	for _, h := range list {
		at := joinPath(path, h.Name)
		r.checkFieldName(at, h.Name)
		if hasControl(h.Value.Value) {
			r.wrong(at, "the value holds a line end or another control byte")
		}
		if !strings.HasPrefix(h.Value.Written, "{file:") { // a secret is no template
			r.checkTemplate(at, h.Value.Written, nil)
		}
	}
}

func (r *reader) checkFieldName(path, name string) {
	if !isToken(name) {
		r.wrongKey(path, "%q is no field name", name)
	} else if why, managed := managedFields()[strings.ToLower(name)]; managed {
		r.wrongKey(path, "%s is written by weir: %s", name, why)
	}
}

func (r *reader) checkRewrite(path, pattern string, w *Rewrite) {
	at := path
	if r.isWritten(joinPath(path, "path")) {
		at = joinPath(path, "path")
	}
	if w.Pattern != "" {
		if err := checkRegexp(w.Pattern); err != nil {
			r.wrong(joinPath(path, "pattern"), "%v", err)
		}
	}
	switch {
	case w.Path == "":
		if w.Query.IsEmpty() && !r.failed(path) {
			r.wrong(path, "changes nothing; give it path or query")
		}
	case !strings.HasPrefix(w.Path, "/") && !strings.HasPrefix(w.Path, "$") && !strings.HasPrefix(w.Path, "{"):
		r.wrong(at, "want a path that starts with \"/\", not %q", w.Path)
	case strings.Contains(w.Path, "#") || hasControl(w.Path):
		r.wrong(at, "%q holds bytes that a path may not have", w.Path)
	case strings.Contains(w.Path, "?") && !w.Query.IsEmpty():
		r.wrong(at, "the path has a query of its own already; write all parameters there, or all in query")
	case strings.Contains(w.Path, "*") && pattern != "" && !strings.HasSuffix(pattern, "/*"):
		r.wrong(at, "\"*\" stands for what the path's \"*\" took, and %q has none", pattern)
	}
	g := groupsOf(pattern)
	if w.Pattern != "" {
		g = groupsOf("~" + w.Pattern)
	}
	r.checkTemplate(at, w.Path, g)
	r.checkVariablesOf(joinPath(path, "query"), w.Query, g)
}

func (r *reader) checkVariablesOf(path string, e QueryEdit, g *groups) {
	for _, h := range e.Set {
		r.checkTemplate(joinPath(joinPath(path, "set"), h.Name), h.Value.Written, g)
	}
	for _, h := range e.Add {
		r.checkTemplate(joinPath(joinPath(path, "add"), h.Name), h.Value.Written, g)
	}
}

// groups are what "$" may stand for: the groups of an expression.
type groups struct {
	names []string // by number; that of the whole match is ""
	known bool     // the expression is known; a site's settings are for routes of all kinds
}

// groupsOf are the groups of a route's path; nil where there are no groups at all, as in a header field.
func groupsOf(path string) *groups {
	expression, isRegexp := strings.CutPrefix(path, "~")
	if !isRegexp {
		return &groups{names: []string{""}, known: path != ""}
	}
	compiled, err := regexp.Compile(expression)
	if err != nil {
		return &groups{} // reported already
	}
	return &groups{names: compiled.SubexpNames(), known: true}
}

// checkTemplate finds words in braces and behind "$" that mean nothing.
func (r *reader) checkTemplate(path, text string, g *groups) {
	r.checkVariables(path, text)
	for i := strings.IndexByte(text, '$'); i >= 0 && i+1 < len(text); {
		rest := text[i+1:]
		n := 1
		switch c := rest[0]; {
		case c == '$':
		case '0' <= c && c <= '9':
			if number := int(c - '0'); g != nil && g.known && number >= len(g.names) {
				r.wrong(path, "$%d: the path's expression has only the groups up to $%d; $$ is a dollar sign", number, len(g.names)-1)
			}
		default:
			if n = wordLen(rest); n > 0 && (g == nil || !slices.Contains(g.names, rest[:n])) {
				r.wrongDollar(path, rest[:n], g)
			}
		}
		next := strings.IndexByte(rest[n:], '$')
		if next < 0 {
			return
		}
		i += 1 + n + next
	}
}

// wrongDollar reports an unknown name behind "$", with the nearest one that there is: nginx's variables are known by other names here.
func (r *reader) wrongDollar(path, name string, g *groups) {
	of := map[string]string{"args": "query", "arg": "query", "document_uri": "path", "host": "host", "hostname": "host", "http_host": "host", "is_args": "query",
		"proxy_add_x_forwarded_for": "client_ip", "query_string": "query", "remote_addr": "client_ip", "request_method": "method", "request_uri": "uri",
		"server_addr": "dest_ip", "server_name": "host", "server_port": "dest_port", "ssl_protocol": "tls_version", "uri": "path"}
	suggestion := of[name]
	if field, isField := strings.CutPrefix(name, "http_"); suggestion == "" && isField {
		suggestion = "header:" + strings.ReplaceAll(field, "_", "-")
	}
	if suggestion == "" {
		suggestion = nearest(name, Variables())
	}
	if suggestion != "" {
		suggestion = "{" + suggestion + "}"
	}
	if g != nil {
		if near := nearest(name, g.names); near != "" {
			suggestion = "$" + near
		}
	}
	r.suggest(r.at(path), path, suggestion, "unknown variable $%s (variables stand in braces, and $$ is a dollar sign)", name)
}

// wordLen is the length of the word that text begins with.
func wordLen(text string) int {
	n := 0
	for n < len(text) && isVariableName(text[:n+1]) {
		n++
	}
	return n
}

// looksLikeVariable reports whether a text in braces is a word, maybe with "-", "." and ":" in it.
func looksLikeVariable(name string) bool {
	return wordLen(name) > 0 && isVariableName(strings.NewReplacer("-", "_", ".", "_", ":", "_").Replace(name))
}

// checkVariables finds words in braces that mean nothing. Braces around anything but a word are text.
func (r *reader) checkVariables(path, text string) {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "{")
		name, tail, closed := strings.Cut(after, "}")
		if !found || !closed {
			return
		}
		rest = tail
		if strings.HasSuffix(before, "$") || !looksLikeVariable(name) || slices.Contains(Variables(), name) {
			continue
		}
		if field, isField := strings.CutPrefix(name, "header:"); isField && isToken(field) {
			continue
		}
		suggestion := nearest(name, Variables())
		if kind, field, found := strings.Cut(name, ":"); found && nearest(kind, []string{"header"}) != "" {
			suggestion = "header:" + field
		}
		r.suggest(r.at(path), path, suggestion, "unknown variable {%s}", name)
	}
}
