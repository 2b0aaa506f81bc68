package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-proxy/weir/control/admin/api"
)

func poolMetrics() []metric {
	of := func(name string, kind prometheus.ValueType, help string, value func(m *api.Multiplexing) float64) metric {
		return metric{name, kind, []string{"pool"}, help, false, func(st *api.Status, emit emit) {
			for i := range st.Pools {
				emit(value(&st.Pools[i].Multiplexing), st.Pools[i].Name)
			}
		}}
	}
	queue := func(name string, kind prometheus.ValueType, help string, value func(q *api.Queue) float64) metric {
		return metric{name, kind, []string{"pool"}, help, false, func(st *api.Status, emit emit) {
			for i := range st.Pools {
				emit(value(&st.Pools[i].Queue), st.Pools[i].Name)
			}
		}}
	}
	return []metric{
		queue("weir_pool_queue_waiting", gauge, "Requests that wait for a server to have room.", func(q *api.Queue) float64 { return float64(q.Waiting) }),
		queue("weir_pool_queued_total", counter, "Requests that waited for a server to have room.", func(q *api.Queue) float64 { return float64(q.Queued) }),
		{"weir_pool_fell_back_total", counter, []string{"pool"}, "Requests that went to the fallback pool because no server of this one was well.", false, fellBack},
		{"weir_pool_mirrored_total", counter, []string{"pool", "outcome"}, "Requests that the pool was to get copies of, by what became of the copy: sent, skipped, failed; and of the compared answers: same, differs.", false, mirrored},
		{"weir_pool_hedged_total", counter, []string{"pool", "outcome"}, "Requests that were sent to a second server too because the first took long: sent, and of those won, which the second answered first.", false, hedged},
		{"weir_pool_shed_total", counter, []string{"pool", "criticality"}, "Requests answered with 503 because no server had room, nor the queue.", false, shed},
		of("weir_pool_client_connections_total", counter, "Client connections that sent the pool at least one request.", func(m *api.Multiplexing) float64 { return float64(m.Clients) }),
		of("weir_pool_clients_per_server_connection", gauge, "Client connections for each connection opened to the pool's servers, since the start; 0 before the first.", func(m *api.Multiplexing) float64 { return m.Ratio }),
		of("weir_pool_requests_per_server_connection", gauge, "Requests for each connection opened to the pool's servers, since the start; 0 before the first.", func(m *api.Multiplexing) float64 { return m.Requests }),
		of("weir_pool_reuse_ratio", gauge, "Share of the requests that found an open server connection, 0 to 1, since the start.", func(m *api.Multiplexing) float64 { return m.Reuse / 100 }),
	}
}

func serverMetrics() []metric {
	of := func(name string, kind prometheus.ValueType, help string, value func(s *api.Server) float64) metric {
		return metric{name, kind, []string{"pool", "server", "address"}, help, false, func(st *api.Status, emit emit) {
			eachServer(st, func(s *api.Server, pool, server string) { emit(value(s), pool, server, s.Address) })
		}}
	}
	return []metric{
		of("weir_server_up", gauge, "Whether the server is not found down by active checks; one that is not checked is up.", func(s *api.Server) float64 { return truth(s.Health != "down") }),
		of("weir_server_ejected", gauge, "Whether the server is left alone for a while because real requests failed.", func(s *api.Server) float64 { return truth(s.EjectedUntil != nil) }),
		of("weir_server_drained", gauge, "Whether the server gets nothing new, by configuration or the operator's word.", func(s *api.Server) float64 { return truth(s.State != api.Available) }),
		of("weir_server_weight", gauge, "Its share beside the others.", func(s *api.Server) float64 { return float64(s.Weight) }),
		of("weir_server_requests_limit", gauge, "The configured limit to the requests under way; 0: none.", func(s *api.Server) float64 { return float64(s.MaxRequests) }),
		of("weir_server_requests_adaptive_limit", gauge, "The limit to the requests under way while the server is found overloaded; 0: it is not.", func(s *api.Server) float64 { return float64(s.AdaptiveLimit) }),
		of("weir_server_requests_total", counter, "Attempts begun.", func(s *api.Server) float64 { return float64(s.Requests) }),
		of("weir_server_requests_active", gauge, "Attempts under way.", func(s *api.Server) float64 { return float64(s.InFlight) }),
		{"weir_server_attempts_total", counter, []string{"pool", "server", "address", "outcome"}, "Attempts that ended, by outcome.", false, outcomes},
		of("weir_server_retries_total", counter, "Attempts that failed here and were made again.", func(s *api.Server) float64 { return float64(s.Retries) }),
		of("weir_server_ejections_total", counter, "Times that the server was ejected.", func(s *api.Server) float64 { return float64(s.Ejections) }),
		of("weir_server_connections", gauge, "Connections open.", func(s *api.Server) float64 { return float64(s.Connections.Open) }),
		of("weir_server_connections_idle", gauge, "Of the open connections, those that wait for a request.", func(s *api.Server) float64 { return float64(s.Connections.Idle) }),
		of("weir_server_connections_opened_total", counter, "Connections opened.", func(s *api.Server) float64 { return float64(s.Connections.Opened) }),
		of("weir_server_connections_reused_total", counter, "Times that a request found an open connection.", func(s *api.Server) float64 { return float64(s.Connections.Reused) }),
		of("weir_server_ports", gauge, "Connections that weir's own addresses have ports for; 0: not known, or clients bring their own address.", func(s *api.Server) float64 { return float64(s.Connections.Ports) }),
		of("weir_server_ports_exhausted_total", counter, "Times that one of weir's own addresses had no free port for another connection.", func(s *api.Server) float64 { return float64(s.Connections.NoPorts) }),
		of("weir_server_idle_timeout_seconds", gauge, "The server's own idle timeout as far as it was learnt, less a margin; 0 while it is not known.", func(s *api.Server) float64 { return s.IdleTimeoutSeconds }),
		of("weir_server_latency_seconds", gauge, "Moving average of the time to the head of an answer. It follows slow answers at once and fast ones gradually, so it lies above the mean; the worst of the loops; 0 while it is not known.", func(s *api.Server) float64 { return s.LatencySeconds }),
		of("weir_server_sent_bytes_total", counter, "Bytes sent to the server, before TLS.", func(s *api.Server) float64 { return float64(s.SentBytes) }),
		of("weir_server_received_bytes_total", counter, "Bytes received from the server, before TLS.", func(s *api.Server) float64 { return float64(s.ReceivedBytes) }),
	}
}

func fellBack(st *api.Status, emit emit) {
	for i := range st.Pools {
		emit(float64(st.Pools[i].FellBack), st.Pools[i].Name)
	}
}

func hedged(st *api.Status, emit emit) {
	for i := range st.Pools {
		emit(float64(st.Pools[i].Hedge.Sent), st.Pools[i].Name, "sent")
		emit(float64(st.Pools[i].Hedge.Won), st.Pools[i].Name, "won")
	}
}

func mirrored(st *api.Status, emit emit) {
	for i := range st.Pools {
		p := &st.Pools[i]
		m := &p.Mirror
		for outcome, n := range map[string]uint64{"sent": m.Sent, "skipped": m.Skipped, "failed": m.Failed, "same": m.Same, "differs": m.Differs} {
			emit(float64(n), p.Name, outcome)
		}
	}
}

func shed(st *api.Status, emit emit) {
	for i := range st.Pools {
		for _, class := range []string{"critical", "default", "sheddable"} {
			emit(float64(st.Pools[i].Queue.Shed[class]), st.Pools[i].Name, class)
		}
	}
}

func outcomes(st *api.Status, emit emit) {
	eachServer(st, func(s *api.Server, pool, server string) {
		for outcome, n := range s.Outcomes {
			emit(float64(n), pool, server, s.Address, outcome)
		}
	})
}

// eachServer goes over all servers with a name for each that its pool has once for its address: SRV records may lead to an address by
// two host names, and the same labels twice would spoil the whole scrape.
func eachServer(st *api.Status, do func(s *api.Server, pool, name string)) {
	for i := range st.Pools {
		p := &st.Pools[i]
		seen := map[[2]string]int{}
		for j := range p.Servers {
			s := &p.Servers[j]
			name, at := s.Name, [2]string{s.Name, s.Address}
			if seen[at]++; seen[at] > 1 {
				name += "#" + strconv.Itoa(seen[at])
			}
			do(s, p.Name, name)
		}
	}
}
