package snapshot

import (
	"math"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// buffer is nil where everything goes on as it comes.
func (b *siteBuilder) buffer(c *config.Buffer) *site.Buffer {
	if c == nil || c.Off {
		return nil
	}
	return &site.Buffer{Response: int64(c.Response), Request: int64(c.Request), Spill: int64(c.Spill), Dir: b.cfg.Data}
}

// split compiles a route that is divided: for each pool a route of its own.
func (b *siteBuilder) split(c *config.Route, r *site.Route) *site.Split {
	s := &site.Split{Cookie: c.Split.Cookie, Key: site.Key{Kind: keyKinds[c.Split.On.Kind], Name: c.Split.On.Name}, Salt: pool.Key(r.Name)}
	sum := 0.0
	for i := range c.Arms {
		arm := b.route(r.Site, &c.Arms[i])
		if arm == nil {
			return nil
		}
		sum += max(0, float64(c.Split.Pools[i].Share))
		s.Arms = append(s.Arms, site.Arm{Until: uint32(math.Round(sum * site.Points)), Route: arm})
	}
	return s
}

// mirror is nil where nobody gets copies.
func (b *siteBuilder) mirror(c *config.Route) *site.Mirror {
	if c.Shadow == nil {
		return nil
	}
	m := c.Mirror
	out := &site.Mirror{Share: uint32(math.Round(float64(m.Share) * site.Points)), Body: int64(m.Body), Compare: m.Compare}
	out.Route = b.route("", c.Shadow)
	if out.Route == nil || out.Share == 0 {
		return nil
	}
	return out
}
