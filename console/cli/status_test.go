package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// answering is the address of an API that answers every request of that method and path with v.
func answering(t *testing.T, method, path string, status int, v any) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method || r.URL.Path != path || r.Header.Get("X-Weir") != "1" || !strings.HasPrefix(r.Host, "localhost") {
			t.Errorf("asked %s %s of %s with %v", r.Method, r.URL, r.Host, r.Header)
		}
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func sampleStatus() *api.Status {
	ejected := time.Now().Add(9500 * time.Millisecond)
	return &api.Status{
		Version: "weir 1", State: api.Running, Started: time.Now(), UptimeSeconds: 3661, Complete: true, Loops: make([]api.Loop, 2),
		Config: api.Config{File: "weir.yaml", Reloads: 3, Refused: 1, LastError: "the configuration has 1 problem"},
		Exchanges: api.Exchanges{Clients: 24, Active: 2, Requests: 240, Status: map[string]uint64{"2xx": 230, "5xx": 10}, Retries: 3,
			Reasons: map[string]uint64{"none.finish.done": 230, "server.connect.refused": 9, "client.read.malformed": 1}},
		Listeners: []api.Listener{{Name: "https", Addresses: []string{"0.0.0.0:443", "[::]:443"}, Connections: 24, Handshakes: api.Handshakes{OK: 30, Failed: 2, Resumed: 4}},
			{Name: "sql", Addresses: []string{"10.1.0.1:3306"}, Mode: "nat", Connections: 7}},
		Pools: []api.Pool{{Name: "api", Policy: "least_latency", Multiplexing: api.NewMultiplexing(24, 2, 238), Unresolved: []string{"c.internal"}, Servers: []api.Server{
			{Name: "a.internal:80", Address: "10.0.0.1:80", Health: "up", State: "available", Weight: 1, Requests: 230, InFlight: 2, Outcomes: map[string]uint64{"ok": 228},
				Connections: api.Connections{Open: 2, Idle: 1}, LatencySeconds: 0.0124},
			{Name: "b.internal:80", Address: "10.0.0.2:80", Health: "down", EjectedUntil: &ejected, State: "drained", Weight: 3, Requests: 10,
				Outcomes: map[string]uint64{"connect_failed": 9, "cancelled": 1}},
		}}, {Name: "evil\x1b[2J", Policy: "first"}},
		Certificates: []api.Certificate{{Listener: "https", File: "a.pem", Names: []string{"a.example.com"}, Expires: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), DaysLeft: 40}},
	}
}

func TestStatusForPeople(t *testing.T) {
	address := answering(t, "GET", "/status", 200, sampleStatus())
	status, out, errs := run(t, Program{}, good, "status", "--address", address)
	want := `weir 1, running for 1h1m
configuration: weir.yaml; taken 3 times, refused once
the last reload was refused: the configuration has 1 problem
2 loops, 24 client connections, 2 requests under way, 240 in all: 230 2xx, 0 3xx, 0 4xx, 10 5xx; 3 retries

POOL       BALANCE        MULTIPLEXING  PER CONNECTION  REUSED
api        least_latency  12:1          120.0 requests  99.2 %
evil?[2J   first          -             -               -

POOL  SERVER         ADDRESS      STATE                           WEIGHT  REQUESTS  ACTIVE  FAILED  OPEN  IDLE  LATENCY
api   a.internal:80  10.0.0.1:80  up                              1       230       2       0       2     1     12.4 ms
api   b.internal:80  10.0.0.2:80  down, ejected for 9s, drained   3       10        0       9       0     0     -
api   c.internal     -            not resolved

LISTENER  ADDRESSES              CONNECTIONS  HANDSHAKES  RESUMED  FAILED
https     0.0.0.0:443, [::]:443  24           30          4        2
sql       10.1.0.1:3306 (nat)    7            -           -        -

CERTIFICATE  NAMES          LISTENER  EXPIRES
a.pem        a.example.com  https     2030-01-02, in 40 days

FAILED  WHOSE DOING  STAGE    WHY
9       server       connect  refused
1       client       read     malformed
`
	// Columns are as wide as what is in them; which widths is not the point here.
	if status != 0 || errs != "" || squeezed(out) != squeezed(want) {
		t.Errorf("status %d %s\n%s", status, errs, out)
	}
	for line := range strings.Lines(out) {
		if strings.HasSuffix(line, " \n") {
			t.Errorf("spaces at the end of %q", line)
		}
	}
}

func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestColourMarksOnlyWhatIsNotWell(t *testing.T) {
	var out strings.Builder
	if err := writeStatus(&out, sampleStatus(), true); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\x1b[31m") != 3 || !strings.Contains(out.String(), "\x1b[31mdown\x1b[0m") {
		t.Errorf("%q", out.String())
	}
}

func TestStatusOfAStuckWeirSaysThatCountersAreMissing(t *testing.T) {
	address := answering(t, "GET", "/status", 200, &api.Status{State: api.Stuck, StuckLoops: 1})
	status, out, _ := run(t, Program{}, good, "status", "--address", address)
	if status != 0 || out != "weir, stuck\n1 loop stuck: see weir's own log\nthe counters are not to be had at the moment\n" {
		t.Errorf("%d\n%s", status, out)
	}
}

func TestStatusAsJSON(t *testing.T) {
	address := answering(t, "GET", "/status", 200, sampleStatus())
	_, out, _ := run(t, Program{}, good, "status", "--json", "--address", address)
	var st api.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || st.Pools[0].Multiplexing.Text != "12:1" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhereNoWeirAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, command := range []string{"status", "reload"} {
		for at, why := range map[string]string{address: "connection refused", "unix:" + filepath.Join(t.TempDir(), "none.sock"): "no such file or directory"} {
			status, out, errs := run(t, Program{}, good, command, "--address", at)
			want := "weir: no weir answers at " + at + " (" + why + "); start one with 'weir run', or name its admin socket with --address\n"
			if status != 1 || out != "" || errs != want {
				t.Errorf("%s: %d %q\n%s", command, status, out, errs)
			}
		}
	}
}

func TestWhatIsNoWeirIsToldApart(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }))
	defer s.Close()
	if status, _, errs := run(t, Program{}, good, "status", "--address", s.Listener.Addr().String()); status != 1 || !strings.Contains(errs, "does not answer like a weir") {
		t.Errorf("%d %s", status, errs)
	}
	refusing := answering(t, "GET", "/status", 403, api.Error{Error: "not you"})
	if status, _, errs := run(t, Program{}, good, "status", "--address", refusing); status != 1 || !strings.Contains(errs, "403 Forbidden: not you") {
		t.Errorf("%d %s", status, errs)
	}
}

func TestReload(t *testing.T) {
	plan := &api.Plan{Changes: []api.Change{{Does: api.Changed, Key: "pools.api", Details: []string{"+ server 10.0.0.9:80"}}}, Kept: api.Kept{Listeners: 1, Sites: 2}}
	for _, c := range []struct {
		name   string
		code   int
		answer api.Reload
		status int
		out    string
	}{
		{"taken", 200, api.Reload{OK: true, Plan: plan}, 0,
			"reloaded\n~ pools.api\n    + server 10.0.0.9:80\n= kept: 1 listener, 0 pools, 2 sites\n"},
		{"a dry run", 200, api.Reload{OK: true, DryRun: true, Plan: plan}, 0,
			"dry run; nothing was changed, and a reload would do this\n~ pools.api\n    + server 10.0.0.9:80\n= kept: 1 listener, 0 pools, 2 sites\n"},
		{"taken with a warning", 200, api.Reload{OK: true, Rendered: "w.yaml:1:1: warning: x\n1 warning\n", Problems: []api.Problem{{Warning: true}}, Plan: &api.Plan{}}, 0,
			"w.yaml:1:1: warning: x\n1 warning\nreloaded; nothing has changed\n= kept: 0 listeners, 0 pools, 0 sites\n"},
		{"refused", 422, api.Reload{Error: "1 problem", Rendered: "w.yaml:1:1: x\n1 problem; nothing was changed\n", Problems: []api.Problem{{}}}, 1,
			"w.yaml:1:1: x\n1 problem; nothing was changed\n"},
		{"refused by the system", 422, api.Reload{Error: "listen :80: in use"}, 1, "listen :80: in use\n"},
	} {
		address := answering(t, "POST", "/reload", c.code, c.answer)
		if status, out, errs := run(t, Program{}, good, "reload", "--address", address); status != c.status || out != c.out || errs != "" {
			t.Errorf("%s: %d\n%s%s", c.name, status, out, errs)
		}
	}
}
