package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-proxy/weir/control/admin/api"
)

func persistenceMetrics() []metric {
	pool := func(name, help string, value func(p *api.Persistence) uint64) metric {
		return metric{name, counter, []string{"pool"}, help, false, func(st *api.Status, emit emit) {
			for i := range st.Pools {
				emit(float64(value(&st.Pools[i].Persistence)), st.Pools[i].Name)
			}
		}}
	}
	table := func(name string, kind prometheus.ValueType, help string, value func(t *api.Table) float64) metric {
		return metric{name, kind, []string{"table"}, help, false, func(st *api.Status, emit emit) {
			for i := range st.Tables {
				emit(value(&st.Tables[i]), st.Tables[i].Name)
			}
		}}
	}
	return []metric{
		pool("weir_pool_persistence_kept_total", "Requests that went to the server their client stays with.", func(p *api.Persistence) uint64 { return p.Kept }),
		pool("weir_pool_persistence_placed_total", "Clients that were given a server to stay with.", func(p *api.Persistence) uint64 { return p.Placed }),
		pool("weir_pool_persistence_lost_total", "Requests whose client's server was gone or down.", func(p *api.Persistence) uint64 { return p.Lost }),
		table("weir_persistence_table_size", gauge, "Clients that the table can remember.", func(t *api.Table) float64 { return float64(t.Size) }),
		table("weir_persistence_table_used", gauge, "Clients that the table remembers.", func(t *api.Table) float64 { return float64(t.Used) }),
		table("weir_persistence_table_replaced_total", counter, "Clients that were forgotten before their time, for want of room.", func(t *api.Table) float64 { return float64(t.Replaced) }),
	}
}
