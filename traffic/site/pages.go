package site

import "github.com/weir-proxy/weir/traffic/filter"

// Pages are what clients get in place of the bare words of a status. Immutable.
type Pages struct {
	byStatus   [200]*filter.Page // from 400 on
	intercepts [200]bool
	Intercept  bool // some servers' answers are replaced
}

// Set gives a status its page; intercept has it replace servers' answers too.
func (p *Pages) Set(status int, page *filter.Page, intercept bool) {
	p.byStatus[status-400], p.intercepts[status-400] = page, intercept
	p.Intercept = p.Intercept || intercept
}

// Of is the page of a status; nil if it has none. p may be nil.
func (p *Pages) Of(status int) *filter.Page {
	if p == nil || status < 400 || status > 599 {
		return nil
	}
	return p.byStatus[status-400]
}

// InPlaceOf is the page that a server's answer is replaced by; nil if it stays.
func (p *Pages) InPlaceOf(status int) *filter.Page {
	if p == nil || !p.Intercept || status < 400 || status > 599 || !p.intercepts[status-400] {
		return nil
	}
	return p.byStatus[status-400]
}

// Maintenance is what a route's clients get while its servers are worked on. Immutable.
type Maintenance struct {
	Page    *filter.Page // nil: the page of the status, or its bare words
	RetryIn int          // seconds
	Allow   *filter.Networks
}
