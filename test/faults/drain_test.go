package faults

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
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

func TestWeightsAndKeptWordsOutliveReloads(t *testing.T) {
	s, a, b, config := twoServers(t, "")
	if out, status := s.weir("weight", a, "3"); status != 0 || out != a+": weight 3 in web\n" {
		t.Errorf("weight: %d %s", status, out)
	}
	s.weir("drain", b, "--keep")
	s.weir("enable", b)
	s.weir("weight", b, "9", "--keep")
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
	if got := share(); got < 8.8 || got > 9.2 {
		t.Errorf("after a reload without a change, with the weights 1 and 9: %.2f", got)
	}
	s.write(strings.Replace(config, "round_robin", "round_robin, timeouts: { response: 31s }", 1))
	s.reload(reloaded)
	if got := share(); got < 8.8 || got > 9.2 || s.server(1).Override == nil || !s.server(1).Override.Keep {
		t.Errorf("after a reload with another pool: %.2f, %+v", got, s.server(1).Override)
	}
}
