package config

import "net/netip"

// Page is the body of an answer in one or several forms; which a client gets is between them and its Accept. A bare value is `html`. In all,
// `{status}`, `{reason}`, `{request_id}`, `{host}` and `{path}` stand for what they say, and other braces for themselves.
type Page struct {
	// As text/html; `{file: path}` reads it from a file of at most 64KiB.
	HTML Secret `yaml:"html,short,shown" example:"\"<h1>{status} {reason}</h1>\""`

	// As application/json.
	JSON Secret `yaml:"json,shown" example:"'{\"error\":{status},\"id\":\"{request_id}\"}'"`

	// As text/plain.
	Plain Secret `yaml:"plain,shown" example:"\"{status} {reason} ({request_id})\""`
}

// IsEmpty reports whether there is no form.
func (p *Page) IsEmpty() bool { return p.HTML.Value == "" && p.JSON.Value == "" && p.Plain.Value == "" }

// ErrorPage is what clients get in place of the bare words of a status.
type ErrorPage struct {
	// The key under `error_pages`: a status, a class or a range.
	Statuses string `yaml:"-,name"`

	Page `yaml:",inline"`

	// Replaces servers' answers of the status too, and not only weir's own. Of theirs, cookies, WWW-Authenticate, Retry-After and Allow stay.
	Intercept bool `yaml:"intercept" default:"off" example:"on"`
}

// Range is the statuses, which have been checked.
func (e *ErrorPage) Range() (r StatusRange) {
	r.FromText(e.Statuses)
	return r
}

// Maintenance is when a route's servers are worked on.
type Maintenance struct {
	// What clients get; without it what `error_pages` has for 503.
	Page Page `yaml:"page" example:"\"<h1>Back at six</h1>\""`

	// When clients are told to come again.
	RetryAfter Duration `yaml:"retry_after" default:"5m" example:"1h"`

	// Networks of clients that are served all the same.
	Allow []netip.Prefix `yaml:"allow,some" example:"[10.0.0.0/8]"`

	// Off is set by `maintenance: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `on` and `off`.
func (m *Maintenance) FromWord(word string) (err error) {
	m.Off, err = isOff(word)
	return err
}

func (r *reader) checkErrorPages(path string, pages []ErrorPage) {
	for i := range pages {
		p := &pages[i]
		at := joinPath(path, p.Statuses)
		var statuses StatusRange
		if err := statuses.FromText(p.Statuses); err != nil {
			r.wrongKey(at, "%v", err)
		} else if statuses.First < 400 {
			r.wrongKey(at, "%s is no error; errors are 400 to 599", p.Statuses)
		}
		if p.IsEmpty() && !r.failedBelow(at) {
			r.wrong(at, "has no page; give it html, json or plain")
		}
	}
}

// inheritPages adds the pages of far whose statuses near does not name.
func inheritPages(near, far []ErrorPage) []ErrorPage {
	pages := near[:len(near):len(near)]
	for _, p := range far {
		named := false
		for i := range near {
			named = named || near[i].Range() == p.Range()
		}
		if !named {
			pages = append(pages, p)
		}
	}
	return pages
}
