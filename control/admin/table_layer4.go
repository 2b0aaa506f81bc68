package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/telemetry/reason"
)

func layer4Metrics() []metric {
	tunnels := func(name string, kind prometheus.ValueType, help string, value func(t *api.Tunnels) float64) metric {
		return metric{name, kind, nil, help, false, func(st *api.Status, emit emit) { emit(value(&st.Tunnels)) }}
	}
	flows := func(name string, kind prometheus.ValueType, help string, value func(f *api.Flows) float64) metric {
		return metric{name, kind, nil, help, false, func(st *api.Status, emit emit) { emit(value(&st.Flows)) }}
	}
	labels := []string{"reason", "side", "stage"}
	return []metric{
		tunnels("weir_layer4_connections", gauge, "Connections of layer 4 listeners open.", func(t *api.Tunnels) float64 { return float64(t.Open) }),
		tunnels("weir_layer4_connections_accepted_total", counter, "Connections of layer 4 listeners seen.", func(t *api.Tunnels) float64 { return float64(t.Accepted) }),
		{"weir_layer4_connections_total", counter, labels, "Ended connections of layer 4 listeners by reason.", false,
			func(st *api.Status, emit emit) { byReason(st.Tunnels.Reasons, emit) }},
		tunnels("weir_layer4_received_bytes_total", counter, "Bytes from clients of layer 4 listeners.", func(t *api.Tunnels) float64 { return float64(t.ReceivedBytes) }),
		tunnels("weir_layer4_sent_bytes_total", counter, "Bytes to clients of layer 4 listeners.", func(t *api.Tunnels) float64 { return float64(t.SentBytes) }),
		tunnels("weir_layer4_retries_total", counter, "Servers tried after the first, because that could not be reached.", func(t *api.Tunnels) float64 { return float64(t.Retries) }),
		flows("weir_flows", gauge, "Flows of UDP listeners.", func(f *api.Flows) float64 { return float64(f.Open) }),
		flows("weir_flows_opened_total", counter, "Flows begun.", func(f *api.Flows) float64 { return float64(f.Opened) }),
		{"weir_flows_total", counter, labels, "Ended flows by reason, and datagrams that found no place in one.", false,
			func(st *api.Status, emit emit) { byReason(st.Flows.Reasons, emit) }},
		flows("weir_flow_received_bytes_total", counter, "Bytes from clients of UDP listeners.", func(f *api.Flows) float64 { return float64(f.ReceivedBytes) }),
		flows("weir_flow_sent_bytes_total", counter, "Bytes to clients of UDP listeners.", func(f *api.Flows) float64 { return float64(f.SentBytes) }),
		flows("weir_flow_received_datagrams_total", counter, "Datagrams from clients.", func(f *api.Flows) float64 { return float64(f.ReceivedDatagrams) }),
		flows("weir_flow_sent_datagrams_total", counter, "Datagrams to clients.", func(f *api.Flows) float64 { return float64(f.SentDatagrams) }),
		flows("weir_flow_withheld_datagrams_total", counter, "Datagrams kept from clients that had not shown that their address is their own, and had enough.", func(f *api.Flows) float64 { return float64(f.Withheld) }),
		flows("weir_flow_dropped_datagrams_total", counter, "Datagrams, to clients and servers, that the system did not take.", func(f *api.Flows) float64 { return float64(f.Dropped) }),
	}
}

// byReason sends all, as for exchanges.
func byReason(reasons map[string]uint64, emit emit) {
	for r := range reason.Count {
		emit(float64(reasons[r.String()]), r.String(), r.Side(), r.Stage())
	}
}
