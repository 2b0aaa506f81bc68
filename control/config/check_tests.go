package config

import (
	"net/url"
	"reflect"
	"strings"
)

func (r *reader) checkTest(cfg *Config, path string, t *Test) {
	request := joinPath(path, "request")
	switch {
	case t.Request.URL == "" && t.Request.Host == "":
		if !r.failed(request) && r.isWritten(request) {
			r.wrong(request, "needs url, or host and path")
		}
	case t.Request.URL == "":
		if !strings.HasPrefix(t.Request.Path, "/") {
			r.wrong(joinPath(request, "path"), "want a path that starts with \"/\", not %q", t.Request.Path)
		}
	case t.Request.Host != "" || r.isWritten(joinPath(request, "path")):
		r.wrong(request, "url says host and path already")
	default:
		u, err := url.Parse(t.Request.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			r.wrong(request, "%q is no URL; write it like https://app.example.com/path", t.Request.URL)
		}
	}
	if !isToken(t.Request.Method) {
		r.wrong(request, "%q is no method", t.Request.Method)
	}
	r.checkExpect(cfg, joinPath(path, "expect"), &t.Expect)
}

func (r *reader) checkExpect(cfg *Config, path string, e *TestExpect) {
	if reflect.ValueOf(*e).IsZero() && r.isWritten(path) && !r.failedBelow(path) {
		r.wrong(path, "expects nothing, so it cannot fail")
	}
	if e.Pool != "" && !strings.Contains(e.Pool, ":") {
		at := path
		if r.isWritten(joinPath(path, "pool")) {
			at = joinPath(path, "pool")
		}
		r.checkPoolName(cfg, at, e.Pool)
	}
}
