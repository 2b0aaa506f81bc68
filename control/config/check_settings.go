package config

import (
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
		r.checkVariables(at, h.Value.Written)
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
	case strings.ContainsAny(w.Path, "?#") || hasControl(w.Path):
		r.wrong(at, "%q holds bytes that a path may not have; parameters go into query", w.Path)
	case strings.Contains(w.Path, "*") && pattern != "" && !strings.HasSuffix(pattern, "/*"):
		r.wrong(at, "\"*\" stands for what the path's \"*\" took, and %q has none", pattern)
	}
	r.checkVariables(at, w.Path)
	r.checkVariablesOf(joinPath(path, "query"), w.Query)
}

func (r *reader) checkVariablesOf(path string, e QueryEdit) {
	for _, h := range e.Set {
		r.checkVariables(joinPath(joinPath(path, "set"), h.Name), h.Value.Written)
	}
	for _, h := range e.Add {
		r.checkVariables(joinPath(joinPath(path, "add"), h.Name), h.Value.Written)
	}
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
		isVariable := isVariableName(name) && !strings.HasSuffix(before, "$")
		if isVariable && !slices.Contains(Variables(), name) {
			r.suggest(r.at(path), path, nearest(name, Variables()), "unknown variable {%s}", name)
		}
	}
}
