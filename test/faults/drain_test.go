package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
	"github.com/weir-proxy/weir/test/peers"
)

// weir runs a command of weir's against the subject.
func (s *subject) weir(args ...string) (out string, status int) {
	s.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.Command(binary, append(args, "--address", s.address["ADMIN"])...)
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return b.String(), c.ProcessState.ExitCode()
}

func (s *subject) server(i int) api.Server { return s.status().Pools[0].Servers[i] }

func twoServers(t *testing.T, extra string) (s *subject, a, b string, config string) {
	a, b = origin(t, "a"), origin(t, "b")
	config = `
listeners:
  front: "FRONT"
pools:
  web: { servers: ["` + a + `", "` + b + `"], balance: round_robin` + extra + ` }
sites:
  "*": web
admin: "ADMIN"
data: DIR/data
logs: { access: off }
`
	return start(t, config), a, b, config
}

func TestDrainWaitsForWhatIsUnderWay(t *testing.T) {
	s, a, _, _ := twoServers(t, "")
	slow := make(chan error, 2)
	for range 2 {
		go func() {
			_, _, err := dial(t, s.address["FRONT"]).get("/after/2s")
			slow <- err
		}()
	}
	within(t, time.Second, "a slow request at each server", func() bool { return s.server(0).InFlight == 1 && s.server(1).InFlight == 1 })
	begun := time.Now()
	if out, status := s.weir("drain", a, "--wait", "--timeout", "300ms"); status != 1 || !strings.Contains(out, "1 request under way") {
		t.Errorf("too little time: exit status %d\n%s", status, out)
	}
	out, status := s.weir("drain", a, "--wait")
	if took := time.Since(begun); status != 0 || took < 1500*time.Millisecond || !strings.HasSuffix(out, a+": empty\n") {
		t.Errorf("after %v: exit status %d\n%s", took, status, out)
	}
	for range 2 {
		if err := <-slow; err != nil {
			t.Error(err)
		}
	}
	before := s.server(0).Requests
	for range 20 {
		if err := dial(t, s.address["FRONT"]).ok("/"); err != nil {
			t.Error(err)
		}
	}
	if n := s.server(0).Requests; n != before {
		t.Errorf("the drained server got %d requests", n-before)
	}
	if out, status := s.weir("enable", a); status != 0 || out != a+": enabled in web\n" {
		t.Errorf("enable: %d %s", status, out)
	}
	for range 20 {
		dial(t, s.address["FRONT"]).ok("/")
	}
	if n := s.server(0).Requests; n == before {
		t.Error("the enabled server gets nothing")
	}
	if out, status := s.weir("drain", "nobody:80"); status != 1 || !strings.Contains(out, `no server "nobody:80" in any pool; there are [`+a) {
		t.Errorf("unknown server: %d %s", status, out)
	}
	for _, command := range []string{"drain", "disable", "enable", "kill"} {
		if out, status := s.weir(command, a, "--pool", "nopool"); status != 1 || !strings.Contains(out, `no pool "nopool"; there are [`) {
			t.Errorf("%s with an unknown pool: %d %s", command, status, out)
		}
	}
}

func TestDrainedServerKeepsItsClientsAndADisabledOneDoesNot(t *testing.T) {
	s, a, b, _ := twoServers(t, `, persistence: { on: "header:X-User", expire: 3s }`)
	ask := func(user string) string {
		c := dial(t, s.address["FRONT"])
		c.header = "X-User: " + user + "\r\n"
		_, body, err := c.get("/")
		if err != nil {
			t.Error(err)
		}
		return body[:1]
	}
	users := map[string]string{}
	for _, u := range []string{"1", "2", "3", "4"} {
		users[u] = ask(u)
	}
	if got, want := s.server(0).Clients+s.server(1).Clients, 4; got != want {
		t.Errorf("%d clients stay with the servers, want %d", got, want)
	}
	s.weir("drain", a)
	for u, server := range users {
		if at := ask(u); at != server {
			t.Errorf("user %s was at %s and is at %s while that drains", u, server, at)
		}
	}
	for _, u := range []string{"5", "6", "7"} {
		if at := ask(u); at != "b" {
			t.Errorf("new user %s is at %s", u, at)
		}
	}
	if out, status := s.weir("drain", a, "--wait"); status != 0 || !strings.Contains(out, "clients stay here, about 3s left") {
		t.Errorf("waiting for clients that stay away: %d\n%s", status, out)
	}
	s.weir("enable", a)
	s.weir("disable", b)
	for u := range users {
		if at := ask(u); at != "a" {
			t.Errorf("user %s is at %s, which is disabled", u, at)
		}
	}
}

func TestWhatTheOperatorSaysLasts(t *testing.T) {
	s, a, b, config := twoServers(t, "")
	if out, status := s.weir("weight", a, "3"); status != 0 || out != a+": weight 3 in web\n" {
		t.Errorf("weight: %d %s", status, out)
	}
	s.weir("drain", b)
	s.weir("enable", b)
	s.weir("weight", b, "9")
	share := func() float64 {
		before := [2]uint64{s.server(0).Requests, s.server(1).Requests}
		c := dial(t, s.address["FRONT"])
		for range 240 {
			if err := c.ok("/"); err != nil {
				t.Fatal(err)
			}
		}
		return float64(s.server(1).Requests-before[1]) / float64(s.server(0).Requests-before[0])
	}
	if got := share(); got < 2.9 || got > 3.1 {
		t.Errorf("with the weights 3 and 9: %.2f", got)
	}
	s.reload(reloaded)
	if got := share(); got < 2.9 || got > 3.1 {
		t.Errorf("after a reload without a change, with the weights 3 and 9: %.2f", got)
	}
	if out, status := s.weir("weight", a, "1", "--until-reload"); status != 0 || out != a+": weight 1 in web\n" {
		t.Errorf("weight: %d %s", status, out)
	}
	if got := share(); got < 8.8 || got > 9.2 {
		t.Errorf("with the weights 1 and 9: %.2f", got)
	}
	if out, _ := s.weir("reload", "--dry-run"); !strings.Contains(out, "server "+b+" was given the weight 9 by the operator, and stays so; 'weir enable "+b+"' ends that") ||
		!strings.Contains(out, "server "+a+" was given the weight 1 by the operator, until this reload, which ends that") {
		t.Errorf("the plan does not say what the operator has said: %s", out)
	}
	s.reload(reloaded)
	s.write(strings.Replace(config, "round_robin", "round_robin, timeouts: { response: 31s }", 1))
	s.reload(reloaded)
	if got := share(); got < 8.8 || got > 9.2 || s.server(1).Override == nil || s.server(1).Override.UntilReload {
		t.Errorf("after a reload with another pool: %.2f, %+v", got, s.server(1).Override)
	}
	s.weir("disable", a)
	for name, again := range map[string]func(){
		"a reload": func() { s.reload(reloaded) },
		"a reload without the pool, and one with it": func() {
			s.write(strings.NewReplacer("web: {", "other: {", ": web", ": other").Replace(config))
			s.reload(reloaded)
			s.write(config)
			s.reload(reloaded)
		},
	} {
		again()
		if o := s.server(0).Override; o == nil || o.State != "disabled" {
			t.Errorf("after %s: %+v", name, o)
		}
		if o := s.server(1).Override; o == nil || o.Weight == nil || *o.Weight != 9 {
			t.Errorf("after %s: %+v", name, o)
		}
	}
	s.weir("enable", a)
	s.weir("enable", b)
	if _, err := os.Stat(filepath.Join(s.dir, "data/operator/servers.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing is said of servers any more, and there is a file: %v", err)
	}
}

// What the operator has said of a server is still so in a new binary, and after a crash.
func TestWhatTheOperatorSaysOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	admin := peers.AdminSocket()
	config := fmt.Sprintf(`{ listeners: { front: "FRONT" }, pools: { web: { servers: [%q, "127.0.0.1:1"] } }, sites: { "*": web }, admin: %q, data: %q, logs: { access: off } }`,
		origin(t, "web"), admin, filepath.Join(dir, "data"))
	ask := client.New(admin)
	isDisabled := func(when string) {
		t.Helper()
		var last *api.Override
		within(t, 5*time.Second, "the status "+when, func() bool {
			st, err := ask.Status(context.Background())
			if err != nil || len(st.Pools) == 0 {
				return false
			}
			last = st.Pools[0].Servers[1].Override
			return true
		})
		if last == nil || last.State != "disabled" {
			t.Errorf("%s: %+v", when, last)
		}
	}
	w := startProcess(t, config)
	changed, err := ask.ChangeServer(context.Background(), api.ServerChange{Server: "127.0.0.1:1", State: api.Disabled})
	if err != nil || changed.Warning != "" {
		t.Fatal(err, changed)
	}
	pid := replacedBy(t, ask, w.Process.Pid)
	isDisabled("after a new binary has taken over")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the process to end", func() bool { _, err := ask.Status(context.Background()); return err != nil })
	startProcess(t, config)
	isDisabled("after a crash and a start")
}

// Where the disk takes nothing, a new binary still learns what the operator has said, and the key that signs cookies: the old process tells it.
func TestWhatTheDiskDidNotTakeReachesTheNewBinary(t *testing.T) {
	admin := peers.AdminSocket()
	w := startProcess(t, fmt.Sprintf(`{ listeners: { front: "FRONT" }, pools: { web: { servers: [%q, %q, "127.0.0.1:1", "127.0.0.1:2"], persistence: { cookie: kept } } }, sites: { "*": web }, admin: %q, data: /proc/none, logs: { access: off } }`,
		origin(t, "a"), origin(t, "b"), admin))
	ask := client.New(admin)
	weight := 7
	for _, c := range []api.ServerChange{{Server: "127.0.0.1:1", State: api.Drained}, {Server: "127.0.0.1:2", State: api.Disabled}, {Server: "127.0.0.1:2", Weight: &weight}} {
		changed, err := ask.ChangeServer(context.Background(), c)
		if err != nil || !strings.Contains(changed.Warning, "it will be lost when weir starts again") {
			t.Fatal(err, changed)
		}
	}
	visit := func(cookie string) *http.Response {
		t.Helper()
		request, _ := http.NewRequest("GET", "http://"+w.address+"/", nil)
		if cookie != "" {
			request.Header.Set("Cookie", cookie)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return response
	}
	cookie, _, _ := strings.Cut(visit("").Header.Get("Set-Cookie"), ";")
	if cookie == "" || visit(cookie).Header.Get("Set-Cookie") != "" {
		t.Fatalf("the cookie %q is not taken", cookie)
	}
	pid := w.Process.Pid
	for round := range 2 { // the one that has learnt it passes it on too
		pid = replacedBy(t, ask, pid)
		st, err := ask.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		said := st.Pools[0].Servers
		if o := said[2].Override; o == nil || o.State != "drained" {
			t.Errorf("round %d: the drained server: %+v", round, o)
		}
		if o := said[3].Override; o == nil || o.Weight == nil || *o.Weight != weight {
			t.Errorf("round %d: the server with a weight: %+v", round, o)
		}
		if again := visit(cookie).Header.Get("Set-Cookie"); again != "" {
			t.Errorf("round %d: the client's cookie is not known any more: %s", round, again)
		}
	}
}

// Where data cannot be written, the operator is told that the change will be lost.
func TestAWordThatCannotBeKeptIsAWarning(t *testing.T) {
	s := start(t, `{ listeners: { front: "FRONT" }, pools: { web: { servers: ["127.0.0.1:1"] } }, sites: { "*": web }, admin: "ADMIN", data: /proc/none, logs: { access: off } }`)
	if out, status := s.weir("drain", "127.0.0.1:1"); status != 0 || !strings.Contains(out, "warning: it will be lost when weir starts again") {
		t.Errorf("%d %s", status, out)
	}
}
