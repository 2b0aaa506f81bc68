package snapshot

import (
	"net/netip"
	"regexp"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
)

func (b *siteBuilder) match(c *config.Route, path *site.PathPattern) site.Match {
	m := &c.Match
	return site.Match{
		Path:     path,
		Methods:  m.Methods,
		Headers:  b.values(c.Key+".match.headers", m.Headers),
		Query:    b.values(c.Key+".match.query", m.Query),
		Clients:  filter.NewNetworks(m.Clients),
		Cert:     b.values(c.Key+".match.client_cert", m.ClientCert),
		Prints:   m.JA4,
		To:       site.Destinations{Networks: filter.NewNetworks(m.Destinations), Ports: ports(m.Ports)},
		InClear:  c.Redirect.IsToHTTPS(),
		Priority: c.Priority,
	}
}

func ports(list []config.Ports) (out []site.Ports) {
	for _, p := range list {
		out = append(out, site.Ports{First: p.First, Last: p.Last})
	}
	return out
}

func (b *siteBuilder) values(path string, fields []config.FieldMatch) (list []site.ValueMatch) {
	for _, f := range fields {
		v := site.ValueMatch{Name: f.Name, Text: f.Value.Text}
		switch f.Value.Kind {
		case config.Present:
			v.Present = true
		case config.Regexp:
			var err error
			if v.Regexp, err = regexp.Compile(f.Value.Text); err != nil {
				b.refuse(path, "%s: %v", f.Name, err)
			}
		}
		list = append(list, v)
	}
	return list
}

// access is who is served; without allow everybody but those in deny.
func access(allow, deny []netip.Prefix) *filter.Access {
	a := &filter.Access{Deny: filter.NewNetworks(deny)}
	if len(allow) > 0 {
		a.Allow = filter.NewNetworks(allow)
	}
	return a
}
