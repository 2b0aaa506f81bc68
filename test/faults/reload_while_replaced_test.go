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
)

// change writes a configuration that answers everything at front by itself, with a word.
func (r *replaceable) change(word string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "weir.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	rest, _, _ := strings.Cut(string(text), "\nsites:")
	_, after, _ := strings.Cut(string(text), "\nadmin:")
	r.write("weir.yaml.next", rest+fmt.Sprintf("\nsites: { \"*\": { /: web, /*: web, /word: { respond: { status: 200, body: %q } } } }\nadmin:", word)+after)
	if err := os.Rename(filepath.Join(r.dir, "weir.yaml.next"), filepath.Join(r.dir, "weir.yaml")); err != nil {
		r.t.Fatal(err)
	}
}

// word is what is answered for /word on a connection of its own.
func (r *replaceable) word() string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + r.front + "/word")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

// settledOn waits until a change is served, and by nobody what was before it.
func (r *replaceable) settledOn(word string) {
	r.t.Helper()
	within(r.t, 10*time.Second, "what was changed to be served", func() bool { return r.word() == word })
	for range 20 {
		if got := r.word(); got != word {
			r.t.Fatalf("%q is served after the change to %q", got, word)
		}
	}
}

// A reload that is asked for while a new binary takes over, and has read its configuration already, is done by that one afterwards.
func TestAReloadDuringAReplacementIsDoneAfterwards(t *testing.T) {
	for name, ask := range map[string]func(r *replaceable, before int) error{
		"SIGHUP": func(_ *replaceable, before int) error { return syscall.Kill(before, syscall.SIGHUP) },
		"weir reload": func(r *replaceable, _ int) error {
			said, err := exec.Command(r.real, "reload", "--address", r.admin).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, said)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
			served := strings.Count(r.said.String(), "msg=serving pid=")
			before := r.beginReplacing("exec")
			r.awaitServing(served)
			for i := range 3 { // while both serve
				r.change(fmt.Sprint("word ", i))
				if err := ask(r, before); err != nil {
					t.Error(err)
				}
			}
			within(t, 10*time.Second, "the new process to have taken over", func() bool { return strings.Contains(r.said.String(), tookOver) })
			r.settledOn("word 2")
			if n := strings.Count(r.said.String(), "reload refused"); n > 0 {
				t.Errorf("%d reloads were refused", n)
			}
		})
	}
}

// A reload that is asked for while a binary does not manage to take over is done by the process that goes on.
func TestAReloadDuringAFailedReplacementIsDoneAfterwards(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	before := r.beginReplacing("hang")
	time.Sleep(100 * time.Millisecond)
	r.change("changed")
	for range 10 {
		syscall.Kill(before, syscall.SIGHUP)
		time.Sleep(20 * time.Millisecond)
	}
	within(t, takeoverLimit+5*time.Second, "the old process to go on", func() bool { return strings.Contains(r.said.String(), goesOn) })
	r.settledOn("changed")
	if n := strings.Count(r.said.String(), "reload refused"); n > 0 {
		t.Errorf("%d reloads were refused", n)
	}
}

// SIGHUP to a process that still finishes requests for its successor reloads that one, and cuts nothing.
func TestSIGHUPToAProcessThatLeavesReloadsItsSuccessor(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	slow := make(chan error, 1)
	go func() { slow <- keepAlive(t, r.front, "/drip/40/100ms")()() }()
	before := r.beginReplacing("exec")
	within(t, 10*time.Second, "the new process to have taken over", func() bool { return strings.Contains(r.said.String(), tookOver) })
	r.change("changed")
	if err := syscall.Kill(before, syscall.SIGHUP); err != nil {
		t.Fatal("the old process has nothing left: ", err)
	}
	r.settledOn("changed")
	if err := <-slow; err != nil {
		t.Errorf("the request of the process that leaves: %v", err)
	}
}
