package site

import (
	"cmp"
	"slices"
	"strings"
)

// hostPattern is which hosts a site takes.
type hostPattern struct {
	kind    hostKind
	literal string   // exact: the host; wildcard: without "*."
	parts   []string // glob: the texts between its stars
	weight  int      // bytes that are not stars: what makes one wildcard or glob more specific than another
}

// hostKind is in the order in which patterns are asked.
type hostKind uint8

const (
	hostExact    hostKind = iota
	hostWildcard          // *.example.com: one label or more in front, as in the Gateway API
	hostGlob              // lyncweb.*: each star takes one byte or more
	hostRest              // *
)

func parseHostPattern(text string) hostPattern {
	p := hostPattern{literal: text, weight: len(text) - strings.Count(text, "*")}
	below, isWildcard := strings.CutPrefix(text, "*.")
	switch {
	case text == "*":
		p.kind = hostRest
	case !strings.Contains(text, "*"):
		p.kind = hostExact
	case isWildcard && !strings.Contains(below, "*"):
		p.kind, p.literal = hostWildcard, below
	default:
		p.kind, p.parts = hostGlob, strings.Split(text, "*")
	}
	return p
}

func (p *hostPattern) matches(host []byte) bool {
	switch p.kind {
	case hostExact:
		return string(host) == p.literal
	case hostWildcard:
		n := len(host) - len(p.literal)
		return n >= 2 && host[n-1] == '.' && string(host[n:]) == p.literal
	case hostGlob:
		return matchGlob(p.parts, host)
	}
	return true
}

// matchGlob matches the texts with at least one byte between each and the next. The first place where a text fits is as good as any
// later one, so nothing is tried twice.
func matchGlob(parts []string, host []byte) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(host) < len(first)+len(last)+1 || string(host[:len(first)]) != first || string(host[len(host)-len(last):]) != last {
		return false
	}
	host = host[len(first) : len(host)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := indexFrom1(host, part)
		if at < 0 {
			return false
		}
		host = host[at+len(part):]
	}
	return len(host) > 0
}

// indexFrom1 is the first place of part in host after its first byte, which the star before it takes.
func indexFrom1(host []byte, part string) int {
	for i := 1; i+len(part) <= len(host); i++ {
		if string(host[i:i+len(part)]) == part {
			return i
		}
	}
	return -1
}

// sortSites brings the most specific pattern to the front; patterns of one weight stay in written order.
func sortSites(sites []*Site) {
	slices.SortStableFunc(sites, func(a, b *Site) int {
		if a.host.kind != b.host.kind {
			return int(a.host.kind) - int(b.host.kind)
		}
		if a.host.kind == hostExact {
			return 0
		}
		return cmp.Compare(b.host.weight, a.host.weight)
	})
}
