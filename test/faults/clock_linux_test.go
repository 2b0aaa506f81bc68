package faults

import (
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

	"github.com/weir-proxy/weir/test/peers"
)

// clockSetter goes into weir's main package: it sets the clock that the whole program has by as many seconds as it is told.
const clockSetter = `package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func init() {
	told, err := os.OpenFile(os.Getenv("CLOCK"), os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	go func() {
		for lines := bufio.NewScanner(told); lines.Scan(); {
			fmt.Sscan(lines.Text(), &time.Set)
		}
	}()
}
`

// buildSettable builds weir, with all that it is made of, over a package time whose time of day can be set: what a system does to all of its
// programs when its clock is set is done to one. What is measured between two moments has a clock of its own, in both cases.
func buildSettable(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "src/time/time.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const read = "sec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), read) != 1 {
		t.Fatalf("%s: reads the clock otherwise than this test knows", file)
	}
	set := strings.Replace(string(text), read, read+"\tsec += Set\n", 1) + "\nvar Set int64\n"
	binary, err := peers.BuildWeirWith(t.TempDir(), map[string]string{file: set, "cmd/weir/clock_setter.go": clockSetter})
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// The clock is set an hour forward, two back, and right again, under load of every kind: nobody notices but who is told the time.
func TestAClockThatIsSetDisturbsNothing(t *testing.T) {
	binary := buildSettable(t)
	clock := filepath.Join(t.TempDir(), "clock")
	if err := syscall.Mkfifo(clock, 0o600); err != nil {
		t.Fatal(err)
	}
	servers := []*patient{newPatient(t), newPatient(t), newPatient(t)}
	var addresses []string
	for _, server := range servers {
		addresses = append(addresses, `"`+server.address+`"`)
	}
	s, secure := startSecureBy(t, soakConfig(0, strings.Join(addresses, ", "), origin(t, "app")), func(t *testing.T, config string) *subject {
		return startProgram(t, config, []string{"env", "CLOCK=" + clock, binary})
	})
	told, err := os.OpenFile(clock, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	within(t, 5*time.Second, "the checks", func() bool { return upServers(s.status()) == 3 })

	before := s.status()
	l := newLedger(s.address["FRONT"], secure)
	loads := soakLoad(t, l)
	for _, by := range []time.Duration{0, time.Hour, -time.Hour, 0} {
		fmt.Fprintf(told, "%d\n", int(by.Seconds()))
		within(t, 2*time.Second, "answers to have the new time", func() bool {
			return (time.Until(l.date(t)) - by).Abs() <= 2*time.Second
		})
		time.Sleep(3 * time.Second)
		if n := upServers(s.status()); n != 3 {
			t.Errorf("by %v: %d of 3 servers are up", by, n)
		}
	}
	asked := endAll(t, loads)
	l.hangUp()
	within(t, 15*time.Second, "the exchanges to end", func() bool { return s.status().Exchanges.Active == 0 })
	after := s.status()
	t.Logf("%d requests", asked)
	if asked < 5000 {
		t.Errorf("%d requests prove little", asked)
	}
	if len(l.failures) > 0 {
		t.Errorf("%d POSTs failed, the first with %s", len(l.failures), l.failures[0].status)
	}
	l.agrees(t, before, after)
	for i, server := range after.Pools[0].Servers {
		if was := before.Pools[0].Servers[i]; server.Ejections != was.Ejections || server.Retries != was.Retries {
			t.Errorf("%s: %d ejections and %d retries, %d and %d before", server.Name, server.Ejections, server.Retries, was.Ejections, was.Retries)
		}
	}
}

// date is the time that an answer of weir's own has.
func (l *ledger) date(t *testing.T) time.Time {
	t.Helper()
	c, err := l.dial(false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: new0.test\r\n\r\n")
	answer, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	l.mu.Lock()
	l.asked++
	l.classes["2xx"]++
	l.mu.Unlock()
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	return date
}
