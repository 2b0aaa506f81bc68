package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weir-proxy/weir/control/admin/api"
)

// Limits of scraping.
const (
	scrapesMax    = 4 // at a time
	scrapeTimeout = 10 * time.Second
)

// metrics answers GET /metrics.
func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{MaxRequestsInFlight: scrapesMax, Timeout: scrapeTimeout})
}

func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newCollector(s.status))
	return r
}

// collector turns one Status per scrape into the metrics of the table.
type collector struct {
	status  func() *api.Status
	metrics []metric
	descs   []*prometheus.Desc // of metrics
}

func newCollector(status func() *api.Status) *collector {
	c := &collector{status: status, metrics: table()}
	for i := range c.metrics {
		m := &c.metrics[i]
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
	}
	return c
}

// Describe sends what the metrics are.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect sends their values. Where a loop did not answer its counters are left out: absent is better than a wrong number, which would look
// like a restart.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	st := c.status()
	for i := range c.metrics {
		m := &c.metrics[i]
		if !st.Complete && !m.always {
			continue
		}
		m.values(st, func(v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(c.descs[i], m.kind, v, labels...)
		})
	}
}
