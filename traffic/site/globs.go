package site

import "math"

// globs are the sites with glob patterns. Those of the usual form, a name before its first dot and a star for the rest, are found by a map.
type globs struct {
	leading map[string]ranked // lyncweb.* by "lyncweb"
	longest int               // of the keys of leading
	others  []ranked
}

// ranked is a site and its place among the globs; the lowest that takes a host wins.
type ranked struct {
	rank int
	site *Site
}

// newGlobs takes sites in the order in which they are asked.
func newGlobs(sites []*Site) globs {
	g := globs{leading: map[string]ranked{}}
	for rank, s := range sites {
		if s.host.kind != hostGlob {
			continue
		}
		r := ranked{rank, s}
		if p := s.host.parts; len(p) == 2 && p[1] == "" && len(p[0]) > 1 && p[0][len(p[0])-1] == '.' {
			g.leading[p[0][:len(p[0])-1]] = r
			g.longest = max(g.longest, len(p[0])-1)
		} else {
			g.others = append(g.others, r)
		}
	}
	return g
}

func (g *globs) find(host []byte) *Site {
	best := ranked{rank: math.MaxInt}
	if len(g.leading) > 0 {
		for i := 1; i <= g.longest && i < len(host)-1; i++ {
			if host[i] != '.' {
				continue
			}
			if r, found := g.leading[string(host[:i])]; found && r.rank < best.rank {
				best = r
			}
		}
	}
	for _, r := range g.others {
		if r.rank > best.rank {
			break
		}
		if r.site.host.matches(host) {
			return r.site
		}
	}
	return best.site
}
