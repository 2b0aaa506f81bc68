package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// metric is a row of the table of metrics.
type metric struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string
	always bool // known even if a loop does not answer
	values func(st *api.Status, emit emit)
}

// emit sends a value with the labels of the row.
type emit func(value float64, labels ...string)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// table is every metric of weir's own; docs/observability.md is held against it.
func table() []metric {
	var list []metric
	list = append(list, processMetrics()...)
	list = append(list, loopMetrics()...)
	list = append(list, blockingMetrics()...)
	list = append(list, exchangeMetrics()...)
	list = append(list, layer4Metrics()...)
	list = append(list, listenerMetrics()...)
	list = append(list, poolMetrics()...)
	list = append(list, persistenceMetrics()...)
	list = append(list, serverMetrics()...)
	return append(list, certificateMetrics()...)
}

func processMetrics() []metric {
	return []metric{
		{"weir_build_info", gauge, []string{"version"}, "Always 1; the label is the version that runs.", true,
			func(st *api.Status, emit emit) { emit(1, st.Version) }},
		{"weir_ready", gauge, nil, "Whether /readyz says that new work may come.", true,
			func(st *api.Status, emit emit) { emit(truth(st.State == api.Running)) }},
		{"weir_stuck_loops", gauge, nil, "Loops whose turn does not end. Anything above 0 is a fault of weir.", true,
			func(st *api.Status, emit emit) { emit(float64(st.StuckLoops)) }},
		{"weir_leaving_connections", gauge, []string{"pid"}, "Connections and flows of clients that a process still has which another binary has replaced; -1: it does not say. Gauges of what is open include them.", true,
			func(st *api.Status, emit emit) {
				for i := range st.Leaving {
					emit(float64(st.Leaving[i].Open()), strconv.Itoa(st.Leaving[i].PID))
				}
			}},
		{"weir_config_reloads_total", counter, []string{"result"}, "Configurations taken, the first included, and refused.", false,
			func(st *api.Status, emit emit) {
				emit(float64(st.Config.Reloads), "ok")
				emit(float64(st.Config.Refused), "refused")
			}},
	}
}

func loopMetrics() []metric {
	of := func(name string, kind prometheus.ValueType, help string, value func(l *api.Loop) float64) metric {
		return metric{name, kind, []string{"loop"}, help, false, func(st *api.Status, emit emit) {
			for i := range st.Loops {
				emit(value(&st.Loops[i]), strconv.Itoa(st.Loops[i].Index))
			}
		}}
	}
	return []metric{
		of("weir_loop_turns_total", counter, "Rounds of the loop.", func(l *api.Loop) float64 { return float64(l.Turns) }),
		of("weir_loop_events_total", counter, "Readiness events of sockets.", func(l *api.Loop) float64 { return float64(l.Events) }),
		of("weir_loop_accepted_connections_total", counter, "Connections accepted.", func(l *api.Loop) float64 { return float64(l.Accepted) }),
		of("weir_loop_moved_connections_total", counter, "Accepted connections handed to a less loaded loop.", func(l *api.Loop) float64 { return float64(l.Moved) }),
		of("weir_loop_accept_pauses_total", counter, "Times that accepting paused because descriptors or memory ran out.", func(l *api.Loop) float64 { return float64(l.AcceptPauses) }),
		of("weir_loop_made_room_total", counter, "Connections and flows ended so that new clients get in, when descriptors or a listener's connections ran short.", func(l *api.Loop) float64 { return float64(l.MadeRoom) }),
		of("weir_loop_dialed_connections_total", counter, "Connections to servers begun.", func(l *api.Loop) float64 { return float64(l.Dialed) }),
		of("weir_loop_connections", gauge, "Connections open, to clients and servers.", func(l *api.Loop) float64 { return float64(l.Open) }),
		of("weir_loop_panics_total", counter, "Panics recovered; each ended one connection. Anything above 0 is a fault of weir.", func(l *api.Loop) float64 { return float64(l.Panics) }),
		of("weir_loop_slow_turns_total", counter, "Turns that took too long.", func(l *api.Loop) float64 { return float64(l.SlowTurns) }),
		of("weir_loop_spliced_bytes_total", counter, "Bytes moved between sockets without being copied through weir.", func(l *api.Loop) float64 { return float64(l.SplicedBytes) }),
		of("weir_loop_sends_together_total", counter, "Small sends that left together with others. 0 under load: the system has no io_uring for weir.", func(l *api.Loop) float64 { return float64(l.SendsTogether) }),
		of("weir_loop_send_calls_total", counter, "System calls in which they left.", func(l *api.Loop) float64 { return float64(l.SendCalls) }),
	}
}

// blockingMetrics are known even if a loop does not answer: a disk that hangs may be why.
func blockingMetrics() []metric {
	of := func(name string, kind prometheus.ValueType, help string, value func(b *api.Blocking) float64) metric {
		return metric{name, kind, []string{"work"}, help, true, func(st *api.Status, emit emit) {
			for i := range st.Blocking {
				emit(value(&st.Blocking[i]), st.Blocking[i].Work)
			}
		}}
	}
	return []metric{
		of("weir_blocking_running", gauge, "Pieces of blocking work that run, by kind: disk, signature, certificate, http3_dial.", func(b *api.Blocking) float64 { return float64(b.Running) }),
		of("weir_blocking_waiting", gauge, "Pieces of blocking work that wait for their turn.", func(b *api.Blocking) float64 { return float64(b.Waiting) }),
		of("weir_blocking_begun_total", counter, "Pieces of blocking work given to workers.", func(b *api.Blocking) float64 { return float64(b.Begun) }),
		of("weir_blocking_refused_total", counter, "Pieces of blocking work that were not begun because too many of their kind ran or waited.", func(b *api.Blocking) float64 { return float64(b.Refused) }),
		of("weir_blocking_stuck_total", counter, "Pieces of blocking work that were given up, because the system did not answer.", func(b *api.Blocking) float64 { return float64(b.Stuck) }),
	}
}

func exchangeMetrics() []metric {
	of := func(name string, kind prometheus.ValueType, help string, value func(x *api.Exchanges) float64) metric {
		return metric{name, kind, nil, help, false, func(st *api.Status, emit emit) { emit(value(&st.Exchanges)) }}
	}
	return []metric{
		of("weir_client_connections", gauge, "Client connections open.", func(x *api.Exchanges) float64 { return float64(x.Clients) }),
		of("weir_client_connections_accepted_total", counter, "Client connections whose requests were read.", func(x *api.Exchanges) float64 { return float64(x.ClientsAccepted) }),
		of("weir_exchanges_active", gauge, "Requests under way.", func(x *api.Exchanges) float64 { return float64(x.Active) }),
		of("weir_tunnels_active", gauge, "Of the requests under way, those whose connection became another protocol's.", func(x *api.Exchanges) float64 { return float64(x.Tunnels) }),
		of("weir_requests_total", counter, "Requests whose head was read and is right.", func(x *api.Exchanges) float64 { return float64(x.Requests) }),
		{"weir_responses_total", counter, []string{"class"}, "Answers to clients by class of status, 1xx to 5xx.", false, responses},
		{"weir_exchanges_total", counter, []string{"reason", "side", "stage"}, "Ended exchanges by reason, with whose doing it was and the stage it happened in.", false, reasons},
		of("weir_retries_total", counter, "Attempts after the first of an exchange.", func(x *api.Exchanges) float64 { return float64(x.Retries) }),
		of("weir_client_received_bytes_total", counter, "Bytes from clients, heads included, before TLS.", func(x *api.Exchanges) float64 { return float64(x.ReceivedBytes) }),
		of("weir_client_sent_bytes_total", counter, "Bytes to clients, heads included, before TLS.", func(x *api.Exchanges) float64 { return float64(x.SentBytes) }),
		of("weir_access_log_dropped_total", counter, "Records of the access log that were dropped because the writer did not keep up.", func(x *api.Exchanges) float64 { return float64(x.LogDrops) }),
		of("weir_spills_total", counter, "Bodies that were too large for memory and got a file below data.", func(x *api.Exchanges) float64 { return float64(x.Spills) }),
		of("weir_spills_failed_total", counter, "Bodies for which there was no file, or no room in it, as on a full disk: they went on as they came.", func(x *api.Exchanges) float64 { return float64(x.SpillsFailed) }),
		of("weir_access_log_lost_total", counter, "Lines of the access log that could not be written, as on a full disk, or to a pipe that nobody reads.", func(x *api.Exchanges) float64 { return float64(x.LogLost) }),
	}
}

func responses(st *api.Status, emit emit) {
	for _, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		emit(float64(st.Exchanges.Status[class]), class)
	}
}

// reasons sends all, also those that never occurred: a series that begins at 1 has no rate.
func reasons(st *api.Status, emit emit) {
	for r := reason.Reason(0); r < reason.Count; r++ {
		emit(float64(st.Exchanges.Reasons[r.String()]), r.String(), r.Side(), r.Stage())
	}
}

func listenerMetrics() []metric {
	return []metric{
		{"weir_listener_connections", gauge, []string{"listener"}, "Client connections open.", false, func(st *api.Status, emit emit) {
			for _, l := range st.Listeners {
				emit(float64(l.Connections), l.Name)
			}
		}},
		{"weir_listener_kernel_refused_total", counter, []string{"listener"}, "Connections and datagrams that the kernel refused, as the listener's allow or deny excludes their client. Those that weir carries itself are counted by reason.", false, func(st *api.Status, emit emit) {
			for _, l := range st.Listeners {
				if l.Mode != "" {
					emit(float64(l.Refused), l.Name)
				}
			}
		}},
		{"weir_listener_handshakes_total", counter, []string{"listener", "result"}, "TLS handshakes with clients.", false, func(st *api.Status, emit emit) {
			for _, l := range st.Listeners {
				emit(float64(l.Handshakes.OK), l.Name, "ok")
				emit(float64(l.Handshakes.Failed), l.Name, "failed")
			}
		}},
		{"weir_listener_handshakes_resumed_total", counter, []string{"listener"}, "Of the TLS handshakes that succeeded, those that resumed a session.", false, func(st *api.Status, emit emit) {
			for _, l := range st.Listeners {
				emit(float64(l.Handshakes.Resumed), l.Name)
			}
		}},
	}
}

func certificateMetrics() []metric {
	return []metric{
		{"weir_certificate_expiry_timestamp_seconds", gauge, []string{"listener", "file"}, "When a certificate that clients are met with expires, as Unix time.", false, func(st *api.Status, emit emit) {
			seen := map[[2]string]bool{} // a listener may name a file twice
			for _, c := range st.Certificates {
				if at := [2]string{c.Listener, c.File}; !seen[at] {
					seen[at] = true
					emit(float64(c.Expires.Unix()), c.Listener, c.File)
				}
			}
		}},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
