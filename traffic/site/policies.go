package site

import "github.com/weir-proxy/weir/traffic/filter"

// Policies are what sites need of the TLS of a listener's clients. Immutable.
type Policies struct {
	own *filter.Policy
	of  map[*Site]*filter.Policy
}

// NewPolicies makes them of what the listener asks for, and what sites need in its place.
func NewPolicies(own *filter.Policy, of map[*Site]*filter.Policy) *Policies {
	return &Policies{own, of}
}

// Of is what a site needs.
func (p *Policies) Of(s *Site) *filter.Policy {
	if own := p.of[s]; own != nil {
		return own
	}
	return p.own
}
