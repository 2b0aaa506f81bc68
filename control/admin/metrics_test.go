package admin

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/observability.md")

// everything is a status in which each list has something, and servers that only SRV records tell apart.
func everything() *api.Status {
	server := api.Server{Name: "srv:_http._tcp.a", Address: "10.0.0.1:80", Outcomes: map[string]uint64{"ok": 1}}
	return &api.Status{Complete: true, State: api.Running, Loops: []api.Loop{{}, {Index: 1}},
		Blocking:     []api.Blocking{{Work: "disk"}, {Work: "signature"}},
		Leaving:      []api.Leaving{{PID: 1}},
		Listeners:    []api.Listener{{Name: "web"}, {Name: "sql", Mode: "nat"}},
		Tables:       []api.Table{{Name: "web by client_ip"}},
		Pools:        []api.Pool{{Name: "api", Servers: []api.Server{server, server}}, {Name: "other", Servers: []api.Server{server}}},
		Certificates: []api.Certificate{{Listener: "web", File: "a.pem"}, {Listener: "web", File: "a.pem"}}}
}

func TestMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	problems, err := testutil.CollectAndLint(newCollector(everything))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, m := range table() {
		if !strings.HasPrefix(m.name, "weir_") || strings.HasSuffix(m.name, "_total") != (m.kind == counter) || !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: %s", m.name, m.help)
		}
	}
}

func TestAScrapeGathersOnceAndHasAllMetrics(t *testing.T) {
	asked := 0
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newCollector(func() *api.Status { asked++; return everything() }))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range families {
		got = append(got, f.GetName())
	}
	for _, m := range table() {
		want = append(want, m.name)
	}
	slices.Sort(want)
	if asked != 1 || !slices.Equal(got, want) {
		t.Errorf("asked %d times\ngot  %v\nwant %v", asked, got, want)
	}
}

func TestEveryReasonIsCountedFromTheStart(t *testing.T) {
	st := everything()
	st.Exchanges.Reasons = map[string]uint64{reason.ConnectRefused.String(): 7}
	c := newCollector(func() *api.Status { return st })
	if n := testutil.CollectAndCount(c, "weir_exchanges_total"); n != int(reason.Count) {
		t.Errorf("%d reasons, want %d", n, reason.Count)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "weir_exchanges_total" && m.GetLabel()[0].GetValue() == "server.connect.refused" && m.GetCounter().GetValue() != 7 {
				t.Error(m)
			}
		}
	}
}

func TestCountersOfALoopThatDoesNotAnswerAreAbsent(t *testing.T) {
	st := &api.Status{State: api.Stuck, StuckLoops: 1}
	want := `# HELP weir_stuck_loops Loops whose turn does not end. Anything above 0 is a fault of weir.
# TYPE weir_stuck_loops gauge
weir_stuck_loops 1
# HELP weir_ready Whether /readyz says that new work may come.
# TYPE weir_ready gauge
weir_ready 0
# HELP weir_build_info Always 1; the label is the version that runs.
# TYPE weir_build_info gauge
weir_build_info{version=""} 1
`
	if err := testutil.CollectAndCompare(newCollector(func() *api.Status { return st }), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestMetricsOfARunningWeir(t *testing.T) {
	b := newBed(t, Config{Version: "weir 1"}, "off")
	for range 3 {
		response, err := http.Get("http://" + b.listen + "/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	w := ask(b.admin, "GET", "/metrics")
	for _, line := range []string{
		`weir_build_info{version="weir 1"} 1`,
		`weir_config_reloads_total{result="ok"} 1`,
		`weir_requests_total 3`,
		`weir_responses_total{class="5xx"} 3`,
		`weir_exchanges_total{reason="server.connect.refused",side="server",stage="connect"} 3`,
		`weir_listener_connections{listener="web"} 1`,
		`weir_server_up{address="127.0.0.1:1",pool="api",server="127.0.0.1:1"} 1`,
		`weir_server_attempts_total{address="127.0.0.1:1",outcome="ok",pool="api",server="127.0.0.1:1"} 0`,
		`go_goroutines `,
		`process_open_fds `,
	} {
		if !strings.Contains(w.Body.String(), "\n"+line) {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(w.Body)
	}
}

const docs = "../../docs/observability.md"

// section is the text between two marks of the page, and what is around it.
func section(t *testing.T, name string) (before, text, after string) {
	t.Helper()
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), "<!-- "+name+" -->\n")
	text, after, ended := strings.Cut(rest, "<!-- end -->\n")
	if !found || !ended {
		t.Fatalf("%s has no section %s", docs, name)
	}
	return before, text, after
}

func TestThePageListsTheMetrics(t *testing.T) {
	var want strings.Builder
	want.WriteString("| metric | type | labels | what it is |\n|---|---|---|---|\n")
	for _, m := range table() {
		kind := "gauge"
		if m.kind == counter {
			kind = "counter"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", m.name, kind, strings.Join(m.labels, ", "), m.help)
	}
	before, got, after := section(t, "metrics")
	if *update {
		page := before + "<!-- metrics -->\n" + want.String() + "<!-- end -->\n" + after
		if err := os.WriteFile(docs, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want.String() {
		t.Errorf("%s is behind the table; go test ./control/admin -update writes it\ngot\n%s\nwant\n%s", docs, got, want.String())
	}
}

func TestThePageListsTheReasons(t *testing.T) {
	_, text, _ := section(t, "reasons")
	var got, want []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && strings.HasPrefix(cells[1], " `") {
			if got = append(got, strings.Trim(cells[1], " `")); strings.TrimSpace(cells[2]) == "" {
				t.Errorf("%s has no meaning", cells[1])
			}
		}
	}
	for r := reason.Reason(0); r < reason.Count; r++ {
		want = append(want, r.String())
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s has\n%v\nand there are\n%v", docs, got, want)
	}
}

func TestThePageListsTheFieldsOfTheAccessLog(t *testing.T) {
	record := accesslog.Record{At: 1, Client: netip.MustParseAddr("10.0.0.1"), Peer: netip.MustParseAddr("10.0.0.2"), PeerPort: 1, OwnPort: 1, TLS: true}
	for _, text := range []*[]byte{&record.Method, &record.Host, &record.Target, &record.Route, &record.Pool, &record.Server, &record.Referer,
		&record.UserAgent, &record.Detail, &record.ClientCert, &record.JA4} {
		*text = []byte("x")
	}
	fields := map[string]any{}
	if err := json.Unmarshal(accesslog.Formats()["json"](nil, &record), &fields); err != nil {
		t.Fatal(err)
	}
	_, text, _ := section(t, "fields")
	var got []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && strings.HasPrefix(cells[1], " `") {
			got = append(got, strings.Trim(cells[1], " `"))
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
		t.Errorf("%s has\n%v\nand there are\n%v", docs, got, want)
	}
}
