package lifecycle

import (
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/traffic/pool"
)

// prepareStays has what keeps clients with their servers know each set of these before the loops do.
func prepareStays(next *snapshot.Snapshot) {
	for _, p := range next.Pools() {
		stays := next.Stays[p.Name]
		if len(stays) == 0 {
			p.OnSet(nil)
			continue
		}
		p.OnSet(func(set *pool.Set) {
			for _, s := range stays {
				s.Prepare(set)
			}
		})
	}
}
