package faults

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// beginReplacing asks for another binary of the kind and waits until it has been started.
func (r *replaceable) beginReplacing(kind string) (before int) {
	r.t.Helper()
	r.install(kind)
	within(r.t, 5*time.Second, "a process to answer", func() bool { before = r.pid(); return before > 0 })
	const starts = "starting the new binary"
	started := strings.Count(r.said.String(), starts)
	syscall.Kill(before, syscall.SIGUSR2)
	within(r.t, 5*time.Second, "the new process to be started", func() bool { return strings.Count(r.said.String(), starts) > started })
	return before
}

// awaitServing waits until a further process has said that it serves.
func (r *replaceable) awaitServing(served int) (pid int) {
	r.t.Helper()
	const serving = "msg=serving pid="
	within(r.t, 10*time.Second, "the new process to serve", func() bool { return strings.Count(r.said.String(), serving) > served })
	said := r.said.String()
	fmt.Sscanf(said[strings.LastIndex(said, serving)+len(serving):], "%d", &pid)
	return pid
}

// An old process that did not run for a while hears what its successor has said meanwhile before it judges it late, whatever it waited for.
func TestAnOldProcessThatWasStoppedStillHandsOver(t *testing.T) {
	for name, until := range map[string]func(r *replaceable, served int){
		"while the new one starts":       func(*replaceable, int) {},
		"shortly before it is ready":     func(*replaceable, int) { time.Sleep(150 * time.Millisecond) },
		"once the new one serves":        func(r *replaceable, served int) { r.awaitServing(served) },
		"late in the time in which both": func(r *replaceable, served int) { r.awaitServing(served); time.Sleep(1500 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
			served := strings.Count(r.said.String(), "msg=serving pid=")
			before := r.beginReplacing("exec")
			until(r, served)
			if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(takeoverLimit + 2*time.Second)
			syscall.Kill(before, syscall.SIGCONT)
			within(t, 10*time.Second, "the new process to have taken over", func() bool {
				if said := r.said.String(); strings.Contains(said, goesOn) {
					t.Fatal("the old process has judged too early")
				}
				return strings.Contains(r.said.String(), tookOver)
			})
			within(t, 10*time.Second, "the new process to answer", func() bool { now := r.pid(); return now != 0 && now != before })
		})
	}
}

// What a successor said before the old process was stopped is no sign that it still serves.
func TestAnOldProcessThatWasStoppedNoticesThatItsSuccessorHangs(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	served := strings.Count(r.said.String(), "msg=serving pid=")
	before := r.beginReplacing("exec")
	next := r.awaitServing(served)
	syscall.Kill(before, syscall.SIGSTOP)
	time.Sleep(300 * time.Millisecond) // the new one says meanwhile that it serves
	syscall.Kill(next, syscall.SIGSTOP)
	time.Sleep(3 * time.Second)
	syscall.Kill(before, syscall.SIGCONT)
	within(t, 10*time.Second, "the old process to go on", func() bool {
		if strings.Contains(r.said.String(), tookOver) {
			t.Fatal("a process that hangs has taken over")
		}
		return strings.Contains(r.said.String(), goesOn)
	})
	if now := r.pid(); now != before {
		t.Errorf("process %d answers, not %d", now, before)
	}
	if err := newConnections(r.front, "/")()(); err != nil {
		t.Error(err)
	}
}
