package explain

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/weir-proxy/weir/control/config"
)

// RunTests runs the tests of a configuration that has no errors, one result for each. Nothing is sent.
func RunTests(cfg *config.Config) []config.TestResult {
	w, problems := Offline(cfg)
	results := make([]config.TestResult, 0, len(cfg.Tests))
	for i := range cfg.Tests {
		result := config.TestResult{Index: i}
		if w == nil {
			result.Failures = []string{"the sites cannot be built: " + problems.Errors()[0].String()}
		} else {
			result.Failures = w.runTest(&cfg.Tests[i])
		}
		results = append(results, result)
	}
	return results
}

func (w *World) runTest(t *config.Test) []string {
	a, err := w.Explain(requestOf(&t.Request))
	if err != nil {
		return []string{err.Error()}
	}
	c := &comparison{answer: a, expect: &t.Expect}
	c.where()
	c.whatComes()
	c.fields("headers", t.Expect.Headers, a.clientFields())
	c.fields("request_headers", t.Expect.RequestHeaders, a.serverFields())
	return c.failures
}

func requestOf(t *config.TestRequest) *Request {
	r := &Request{Method: t.Method, URL: t.URL, Client: t.Client, To: t.To}
	if r.URL == "" {
		r.URL = t.Host + t.Path
	}
	for _, h := range t.Headers {
		r.Fields = append(r.Fields, Field{h.Name, h.Value.Value})
	}
	return r
}

// comparison holds an answer against what was expected.
type comparison struct {
	answer   *Answer
	expect   *config.TestExpect
	failures []string
}

func (c *comparison) fail(format string, args ...any) {
	c.failures = append(c.failures, fmt.Sprintf(format, args...))
}

func (c *comparison) where() {
	a, e := c.answer, c.expect
	if e.Site != "" && !strings.EqualFold(e.Site, a.Site) {
		c.fail("site: want %q, got %s", e.Site, orNone(a.Site))
	}
	if e.Route != "" && e.Route != a.Route {
		c.fail("route: want %q, got %s", e.Route, orNone(a.Route))
	}
}

func (c *comparison) whatComes() {
	a, e := c.answer, c.expect
	if e.Pool != "" && (a.Pool == nil || !a.Pool.is(e.Pool)) {
		c.fail("pool: want %q, got %s", e.Pool, a.outcome())
	}
	if e.Path != "" && (a.Pool == nil || a.Pool.Target != e.Path) {
		c.fail("path: want %q, got %s", e.Path, a.target())
	}
	if e.Redirect != "" && (a.Local == nil || a.Local.Location != e.Redirect) {
		c.fail("redirect: want %q, got %s", e.Redirect, a.outcome())
	}
	if e.Status != 0 && (a.Local == nil || a.Local.Status != e.Status) {
		c.fail("status: want %d, got %s", e.Status, a.outcome())
	}
}

// is: servers written in a route are named as a URL, or as their pool is.
func (p *Pool) is(name string) bool {
	_, address, _ := strings.Cut(name, "://")
	return p.Name == name || address != "" && len(p.Servers) == 1 && strings.TrimSuffix(address, "/") == p.Servers[0]
}

func (a *Answer) target() string {
	if a.Pool != nil {
		return fmt.Sprintf("%q", a.Pool.Target)
	}
	return a.outcome()
}

// outcome is what came, in a few words.
func (a *Answer) outcome() string {
	switch {
	case a.Pool != nil:
		return fmt.Sprintf("pool %q", a.Pool.Name)
	case a.Local.Location != "":
		return fmt.Sprintf("status %d to %q", a.Local.Status, a.Local.Location)
	}
	return strings.TrimSuffix(fmt.Sprintf("status %d (%s: %s", a.Local.Status, a.Local.Reason, a.Local.Detail), ": ") + ")"
}

func orNone(name string) string {
	if name == "" {
		return "none"
	}
	return fmt.Sprintf("%q", name)
}

// fields compares header fields; of several of a name one must do.
func (c *comparison) fields(key string, want []config.FieldMatch, got []Field) {
	for _, m := range want {
		var values []string
		found := false
		for _, f := range got {
			if strings.EqualFold(f.Name, m.Name) {
				values = append(values, fmt.Sprintf("%q", f.Value))
				found = found || takes(m.Value, f.Value)
			}
		}
		if !found {
			c.fail("%s: %s: want %q, got %s", key, m.Name, m.Value.String(), orNothing(values))
		}
	}
}

func orNothing(values []string) string {
	if len(values) == 0 {
		return "no such field"
	}
	return strings.Join(values, ", ")
}

func takes(p config.Pattern, value string) bool {
	switch p.Kind {
	case config.Present:
		return true
	case config.Regexp:
		matched, err := regexp.MatchString(p.Text, value)
		return err == nil && matched
	}
	return p.Text == value
}

// clientFields are the fields of an answer of weir's own, and those that the route sets.
func (a *Answer) clientFields() (list []Field) {
	if l := a.Local; l != nil {
		if l.Location != "" {
			list = append(list, Field{"Location", l.Location})
		}
		list = append(list, l.Fields...)
	}
	return append(list, a.ResponseSet...)
}

func (a *Answer) serverFields() []Field {
	if a.Pool == nil {
		return nil
	}
	return a.Pool.Fields
}
