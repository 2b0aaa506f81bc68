package lifecycle

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/weir-proxy/weir/control/config"
)

// sameSite reports whether two sites do the same. The order of the lines of a redirects file means nothing.
func sameSite(a, b *config.Site) bool {
	if len(redirectsDiffering(a.Redirects, b.Redirects)) > 0 {
		return false
	}
	one, other := *a, *b
	one.Redirects, other.Redirects = nil, nil
	return reflect.DeepEqual(&one, &other)
}

// redirectsDiffering counts the lines of a site's redirects file that come, change and go.
func redirectsDiffering(before, after *config.Redirects) (details []string) {
	type asked struct {
		path, query string
		hasQuery    bool
	}
	was := map[asked]*config.Redirect{}
	for _, m := range entriesOf(before) {
		was[asked{m.Normal, m.Query, m.HasQuery}] = &m.Redirect
	}
	added, changed := 0, 0
	for _, m := range entriesOf(after) {
		key := asked{m.Normal, m.Query, m.HasQuery}
		switch old := was[key]; {
		case old == nil:
			added++
		case *old != m.Redirect:
			changed++
		}
		delete(was, key)
	}
	var counts []string
	for _, c := range []struct {
		n    int
		does string
	}{{added, "added"}, {changed, "changed"}, {len(was), "removed"}} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.does))
		}
	}
	if len(counts) > 0 {
		details = append(details, "redirects: "+strings.Join(counts, ", "))
	}
	if before != nil && after != nil && before.File != after.File {
		details = append(details, "redirects: from "+after.File)
	}
	return details
}

func entriesOf(r *config.Redirects) []config.Moved {
	if r == nil {
		return nil
	}
	return r.Entries
}
