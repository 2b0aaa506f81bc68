package config

import (
	"fmt"
	"strings"

	"github.com/weir-proxy/weir/wire/message"
)

// findLoops reports lines of a redirects file that lead to each other in a circle: a browser that is sent around ends with an error.
func (r *movedReader) findLoops(site *Site) {
	const unseen, onTheWay, done = 0, 1, 2
	written := r.exactRoutes(site)
	entries := r.redirects.Entries
	seen := make([]byte, len(entries))
	for i := range entries {
		var way []int
		at := i
		for at >= 0 && seen[at] == unseen {
			seen[at] = onTheWay
			way = append(way, at)
			at = r.next(written, at, entries[at].Query)
		}
		if at >= 0 && seen[at] == onTheWay {
			for way[0] != at {
				seen[way[0]] = done
				way = way[1:]
			}
			r.reportLoop(written, way)
		}
		for _, k := range way {
			seen[k] = done
		}
	}
}

// exactRoutes are the paths that the site's own routes take before a line does.
func (r *movedReader) exactRoutes(site *Site) map[string]bool {
	written := map[string]bool{}
	for i := range site.Routes {
		if normal, err := message.NormalOfWritten(site.Routes[i].Path); err == nil {
			if r.folds {
				normal = strings.ToLower(normal)
			}
			written[normal] = true
		}
	}
	return written
}

// next is the line that a request with a query comes to when line i has redirected it; -1 if that is none, or depends on more of the request.
func (r *movedReader) next(written map[string]bool, i int, query string) int {
	path, query, hasQuery, known := r.redirects.Entries[i].leadsTo(query)
	if !known {
		return -1
	}
	normal, err := message.NormalOfWritten(path)
	if r.folds {
		normal = strings.ToLower(normal)
	}
	if err != nil || written[normal] {
		return -1
	}
	if to, is := r.byPath[movedKey{normal, query, true}]; is && hasQuery {
		return to
	}
	if to, is := r.byPath[movedKey{path: normal}]; is {
		return to
	}
	return -1
}

// leadsTo is the path and query that a request with a query is sent to; not known where that depends on more of the request, or is on another host.
func (m *Moved) leadsTo(query string) (path, to string, hasQuery, known bool) {
	target, _, _ := strings.Cut(m.Redirect.To, "#")
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "{$*") {
		return "", "", false, false
	}
	path, to, hasQuery = strings.Cut(target, "?")
	if !hasQuery && !m.HasQuery && query != "" { // the request's query goes along
		to, hasQuery = query, true
	}
	return path, to, hasQuery, true
}

// reportLoop reports the lines of a circle, each of which leads to the next, if a request really goes around in it: queries that are carried along may lead out.
func (r *movedReader) reportLoop(written map[string]bool, way []int) {
	entries := r.redirects.Entries
	query := entries[way[0]].Query
	for range 2 { // from the second round on the query is the same
		for k, i := range way {
			if r.next(written, i, query) != way[(k+1)%len(way)] {
				return
			}
			_, query, _, _ = entries[i].leadsTo(query)
		}
	}
	const most = 5
	var lines []string
	for _, i := range way[1:min(len(way), most)] {
		lines = append(lines, fmt.Sprintf("line %d", entries[i].Line))
	}
	if len(way) > most {
		lines = append(lines, fmt.Sprintf("%d more", len(way)-most))
	}
	before := len(r.problems)
	first := &entries[way[0]]
	if len(way) == 1 {
		r.problem(Pos{File: r.redirects.File, Line: first.Line, Col: 1}, r.path, "%q leads to itself", first.written())
	} else {
		r.problem(Pos{File: r.redirects.File, Line: first.Line, Col: 1}, r.path, "%q leads by way of %s to itself: a loop", first.written(), strings.Join(lines, ", "))
	}
	r.bound(before, first.Line)
}

// written is the path as it stands in the file.
func (m *Moved) written() string {
	if m.HasQuery {
		return m.Path + "?" + m.Query
	}
	return m.Path
}
