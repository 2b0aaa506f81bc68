package lifecycle

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/test/peers"
)

// running starts a weir with the text, in which LISTEN and ORIGIN are addresses, before an origin that says ok.
func running(t *testing.T, text string) (d *Daemon, url string) {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	t.Cleanup(origin.Close)
	listen, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer("LISTEN", listen, "ORIGIN", origin.Listener.Addr().String()).Replace(text)
	d, problems, err := Start(Options{Loops: 2, Log: slog.New(slog.DiscardHandler),
		Load: func() (*config.Config, config.Problems) { return config.Parse("weir.yaml", []byte(text)) }})
	if err != nil {
		t.Fatal(err, problems)
	}
	t.Cleanup(func() { stop(t, d) })
	return d, "http://" + listen
}

func stop(t *testing.T, d *Daemon) {
	if d.stopping.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := d.Stop(ctx, nil); err != nil {
		t.Error(err)
	}
}

const onePool = `
listeners: { web: "LISTEN" }
pools: { api: { servers: [{ address: "ORIGIN", weight: 3 }, { address: "127.0.0.1:1", drain: on }], balance: round_robin } }
sites: { "*": api }
admin: off
logs: { access: off }
`

// get makes n requests one after the other on one connection of its own.
func get(t *testing.T, url string, n int) (end func()) {
	t.Helper()
	transport := &http.Transport{MaxConnsPerHost: 1}
	for range n {
		response, err := (&http.Client{Transport: transport}).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	return transport.CloseIdleConnections
}

func TestStatusCountsWhatWasServed(t *testing.T) {
	d, url := running(t, onePool)
	const clients, each = 6, 5
	for range clients {
		defer get(t, url, each)()
	}
	st := d.Status()
	if !st.Complete || st.State != api.Running || st.StuckLoops != 0 || len(st.Loops) != 2 || st.Config.Reloads != 1 {
		t.Fatalf("%+v", st)
	}
	x := st.Exchanges
	if x.Requests != clients*each || x.Status["2xx"] != clients*each || x.Clients != clients || x.ClientsAccepted != clients ||
		x.Active != 0 || x.Reasons["none.finish.done"] != clients*each || len(x.Reasons) != 1 || x.SentBytes == 0 || x.ReceivedBytes == 0 {
		t.Errorf("exchanges: %+v", x)
	}
	l := st.Listeners
	if len(l) != 1 || l[0].Name != "web" || l[0].Connections != clients || "http://"+l[0].Addresses[0] != url {
		t.Errorf("listeners: %+v", l)
	}
	if len(st.Pools) != 1 || len(st.Pools[0].Servers) != 2 {
		t.Fatalf("pools: %+v", st.Pools)
	}
	p := st.Pools[0]
	s, idle := p.Servers[0], p.Servers[1]
	if p.Name != "api" || p.Policy != "round_robin" || s.Name != s.Address || s.Health != "unknown" || s.EjectedUntil != nil ||
		s.State != "available" || s.Weight != 3 || s.Requests != clients*each || s.InFlight != 0 || s.Outcomes["ok"] != clients*each ||
		s.LatencySeconds <= 0 || s.SentBytes == 0 || s.ReceivedBytes == 0 {
		t.Errorf("server: %+v", s)
	}
	if idle.State != "drained" || idle.Requests != 0 || idle.Connections.Opened != 0 {
		t.Errorf("drained server: %+v", idle)
	}
	// One after the other, so each loop that has clients needs one connection.
	c, m := s.Connections, p.Multiplexing
	if c.Opened < 1 || c.Opened > 2 || c.Opened+c.Reused != clients*each || c.Open != int(c.Opened) || c.Idle != c.Open {
		t.Errorf("connections: %+v", c)
	}
	if m != api.NewMultiplexing(clients, c.Opened, c.Reused) || m.Ratio != clients/float64(c.Opened) ||
		m.Text != fmt.Sprintf("%d:1", clients/c.Opened) || m.Requests != clients*each/float64(c.Opened) {
		t.Errorf("multiplexing: %+v", m)
	}
}

func TestStatusShowsFailures(t *testing.T) {
	d, url := running(t, strings.Replace(onePool, "ORIGIN", "127.0.0.1:2", 1))
	defer get(t, url, 20)()
	st := d.Status()
	s := st.Pools[0].Servers[0]
	if st.Exchanges.Reasons["server.connect.refused"] != 20 || st.Exchanges.Status["5xx"] != 20 || s.Outcomes["connect_failed"] != s.Requests || s.Requests < 20 {
		t.Errorf("%+v\n%+v", st.Exchanges, s)
	}
	if m := st.Pools[0].Multiplexing; m.Ratio != 0 || m.Text != "" || m.Reuse != 0 {
		t.Errorf("no connection was opened: %+v", m)
	}
	if s.EjectedUntil == nil {
		if s.Ejections != 0 {
			t.Errorf("ejected, and not shown: %+v", s)
		}
	} else if left := time.Until(*s.EjectedUntil); left <= 0 || left > time.Minute {
		t.Errorf("ejected for %v", left)
	}
}

func TestAnEjectedServerIsShownWithItsTime(t *testing.T) {
	d, _ := running(t, onePool)
	s := d.running.Load().Destinations["api"].Pool.Set().Servers[0]
	p := d.running.Load().Destinations["api"].Pool
	l := d.engine.Loops()[0]
	l.Call(func() {
		for range 5 {
			p.Begin(s, l.Index)
			p.End(s, l.Index, l.Now(), 0, 3)
		}
	})
	until := d.Status().Pools[0].Servers[0].EjectedUntil
	if until == nil {
		t.Fatal("not ejected")
	}
	if left := time.Until(*until); left < 8*time.Second || left > 11*time.Second {
		t.Errorf("ejected for %v, want nearly the 10s of the default", left)
	}
}

func TestStatusAnswersWhileStoppingAndAfter(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	d, url := running(t, strings.Replace(onePool, "ORIGIN", slow.Listener.Addr().String(), 1))
	answered := make(chan error, 1)
	go func() {
		response, err := http.Get(url)
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	for d.Status().Exchanges.Active == 0 {
		time.Sleep(time.Millisecond)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop(t, d) }()
	for d.State() != api.Stopping {
		time.Sleep(time.Millisecond)
	}
	if st := d.Status(); !st.Complete || st.Exchanges.Active != 1 || st.State != api.Stopping {
		t.Errorf("while stopping: %+v", st)
	}
	close(release)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	<-stopped
	if st := d.Status(); st.Complete || st.State != api.Stopping {
		t.Errorf("after the end: %+v", st)
	}
}

func TestAStuckLoopCostsTheCountersAndNotTheAnswer(t *testing.T) {
	d, _ := running(t, onePool)
	release := make(chan struct{})
	d.engine.Loops()[1].Post(func() { <-release })
	began := time.Now()
	if st := d.Status(); st.Complete || len(st.Pools) != 0 {
		t.Errorf("%+v", st)
	}
	if took := time.Since(began); took > 2*answerWithin {
		t.Errorf("took %v", took)
	}
	for d.State() != api.Stuck {
		time.Sleep(10 * time.Millisecond)
	}
	if st := d.Status(); st.State != api.Stuck || st.StuckLoops != 1 || st.Complete {
		t.Errorf("%+v", st)
	}
	close(release)
	for d.State() != api.Running {
		time.Sleep(time.Millisecond)
	}
	if st := d.Status(); !st.Complete {
		t.Errorf("%+v", st)
	}
}

func TestCertificatesHaveTheirDays(t *testing.T) {
	dir := t.TempDir()
	files, err := peers.NewCertificate(dir, "a.example.com")
	if err != nil {
		t.Fatal(err)
	}
	d, url := running(t, strings.Replace(onePool, `web: "LISTEN"`, fmt.Sprintf(
		`web: { address: "LISTEN", tls: { certificates: [{ cert: %q, key: %q }] } }`, files.Cert, files.Key), 1))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
	io.Copy(io.Discard, conn)
	conn.Close()
	st := d.Status()
	if c := st.Certificates; len(c) != 1 || c[0].Listener != "web" || c[0].File != files.Cert || len(c[0].Names) == 0 || c[0].DaysLeft < 0 ||
		c[0].DaysLeft != daysUntil(c[0].Expires, time.Now()) {
		t.Errorf("%+v", c)
	}
	if h := st.Listeners[0].Handshakes; h.Failed != 1 || h.OK != 0 {
		t.Errorf("%+v", h)
	}
}

func TestDaysUntil(t *testing.T) {
	now := time.Now()
	for hours, want := range map[int]int{0: 0, 23: 0, 24: 1, 49: 2, -1: -1, -25: -2} {
		if got := daysUntil(now.Add(time.Duration(hours)*time.Hour), now); got != want {
			t.Errorf("%d hours: %d days, want %d", hours, got, want)
		}
	}
}
