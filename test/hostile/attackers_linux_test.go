package hostile

import (
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Attackers are a process of their own, of the least priority: what good clients notice is then what weir does for the attackers, and not that these take the processors. The
// process is this test's program, told by the environment what to do.
const (
	attackName = "WEIR_TEST_ATTACK"
	attackedAt = "WEIR_TEST_ATTACKED"
	// attackersAt is the attackers' address: limits by the client's address do not meet good clients.
	attackersAt = "127.66.0.1"
	// attackLasts is how long attackers that go on and on do so.
	attackLasts = 3 * time.Second
)

// result is what attackers have done.
type result struct {
	Sent    int64
	Refused int64
	Units   int64
}

func allAttacks() map[string]attack {
	all := maps.Clone(attacks)
	maps.Copy(all, layer4Attacks)
	maps.Copy(all, quicAttacks)
	return all
}

func isAttacker() bool { return os.Getenv(attackName) != "" }

// attackAndExit opens the connections of an attack, keeps them until the standard input ends, and writes the result. It never returns.
func attackAndExit() {
	a := allAttacks()[os.Getenv(attackName)]
	s := &scene{from: attackersAt, until: time.Now().Add(attackLasts)}
	if err := json.Unmarshal([]byte(os.Getenv(attackedAt)), &s.at); err != nil {
		panic(err)
	}
	var opening sync.WaitGroup
	gate := make(chan struct{}, 16)
	for range a.conns {
		gate <- struct{}{}
		opening.Go(func() {
			defer func() { <-gate }()
			if err := a.open(s); err != nil {
				if s.refusals.Add(1) == 1 {
					os.Stderr.WriteString("attacker: " + err.Error() + "\n")
				}
			}
		})
	}
	opening.Wait()
	io.Copy(io.Discard, os.Stdin)
	s.end()
	time.Sleep(100 * time.Millisecond) // for QUIC's last packets
	json.NewEncoder(os.Stdout).Encode(result{s.sent.Load(), s.refusals.Load(), s.units.Load()})
	os.Exit(0)
}

// attackers is the process.
type attackers struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader
}

func attackWith(t *testing.T, name string, at map[string]string) *attackers {
	t.Helper()
	addresses, _ := json.Marshal(at)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nice", "-n", "19", self)
	cmd.Env = append(os.Environ(), attackName+"="+name, attackedAt+"="+string(addresses))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	a := &attackers{cmd: cmd}
	a.stdin, _ = cmd.StdinPipe()
	a.stdout, _ = cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// end waits until all connections have been opened, and has the process end.
func (a *attackers) end(t *testing.T) (r result) {
	t.Helper()
	a.stdin.Close()
	timer := time.AfterFunc(90*time.Second, func() { a.cmd.Process.Kill() })
	defer timer.Stop()
	err := json.NewDecoder(a.stdout).Decode(&r)
	if end := a.cmd.Wait(); err != nil || end != nil {
		t.Fatalf("the attackers have failed: %v, %v", err, end)
	}
	return r
}
