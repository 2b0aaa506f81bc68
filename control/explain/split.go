package explain

import (
	"fmt"
	"strings"

	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// divide goes on with the route of the pool that the request's key has; where none decides, with that of the largest share.
func (a *asking) divide(s *site.Split) {
	var shares []string
	from := uint32(0)
	for _, arm := range s.Arms {
		shares = append(shares, fmt.Sprintf("%s %.4g%%", arm.Route.Destination.Pool.Name, float64(arm.Until-from)/site.Points*100))
		from = arm.Until
	}
	arm, why := s.Largest(), "each request is drawn anew"
	switch {
	case s.Cookie != "":
		why = "a client stays by its cookie " + s.Cookie
	case s.Key.Kind != site.KeyNone:
		why = "by " + s.Key.String()
		if key, isKnown := a.keyOf(&s.Key); isKnown {
			arm = s.At(s.PointOf(key))
		} else {
			why += ", which the request does not have: drawn"
		}
	}
	a.step("split", "%s; %s; pool %s shown", strings.Join(shares, ", "), why, arm.Route.Destination.Pool.Name)
	a.route = arm.Route
}

// keyOf is the hash of what a key takes of the request.
func (a *asking) keyOf(k *site.Key) (uint64, bool) {
	switch k.Kind {
	case site.KeyClient:
		ip := a.from.As16()
		return pool.Key(ip[:]), true
	case site.KeyPath:
		return pool.Key(a.facts.Path), true
	case site.KeyURI:
		return pool.Key(a.req.Target.Of(a.req.Buf)), true
	case site.KeyHeader:
		v := a.req.Lookup(k.Name)
		return pool.Key(v), len(v) > 0
	case site.KeyCookie:
		for i := range a.req.List {
			if a.req.List[i].ID == message.FieldCookie {
				for pair := range strings.SplitSeq(string(a.req.ValueOf(i)), ";") {
					if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name == k.Name && value != "" {
						return pool.Key(value), true
					}
				}
			}
		}
	}
	return 0, false
}
