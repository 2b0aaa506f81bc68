package snapshot

import (
	"cmp"
	"slices"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
)

// errorPages gives each status the page of the narrowest range that has it, and of equal ones that of the first; nil without any.
func errorPages(list []config.ErrorPage) *site.Pages {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	width := func(p *config.ErrorPage) int { return p.Range().Last - p.Range().First }
	slices.SortStableFunc(list, func(a, b config.ErrorPage) int { return cmp.Compare(width(&a), width(&b)) })
	pages := &site.Pages{}
	for i := range list {
		page, statuses := newPage(&list[i].Page), list[i].Range()
		for status := statuses.First; status <= statuses.Last; status++ {
			if pages.Of(status) == nil {
				pages.Set(status, page, list[i].Intercept)
			}
		}
	}
	return pages
}

func newPage(p *config.Page) *filter.Page {
	return filter.NewPage(p.HTML.Value, p.JSON.Value, p.Plain.Value)
}

// maintenance is nil in service.
func maintenance(m *config.Maintenance) *site.Maintenance {
	if m == nil || m.Off {
		return nil
	}
	return &site.Maintenance{Page: newPage(&m.Page), RetryIn: int(m.RetryAfter.Std().Seconds()), Allow: filter.NewNetworks(m.Allow)}
}
