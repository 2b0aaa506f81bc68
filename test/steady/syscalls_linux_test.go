package steady

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

// asked is the number of requests that are counted, and connections what they come on.
const (
	asked       = 12800
	connections = 64
)

func TestAProxiedRequestIsTwoReceivesAndTwoSends(t *testing.T) {
	t.Setenv("WEIR_IO_URING", "off")
	if calls, together := callsOfRequests(t); together > 0 || calls["io_uring_enter"] > 0 {
		t.Errorf("%d sends left together, without io_uring", together)
	}
}

// The sends of a turn leave by one call of io_uring, where the system has that, and each by its own where it has not.
func TestSendsOfManyRequestsLeaveTogether(t *testing.T) {
	calls, together := callsOfRequests(t)
	var parameters [120]byte
	ring, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&parameters)), 0)
	if errno != 0 {
		t.Logf("this system has no io_uring for programs: %v", errno)
		return
	}
	syscall.Close(int(ring))
	sends := calls["sendto"] + calls["io_uring_enter"]
	t.Logf("%d calls for the sends of %d requests, of which %d left together", sends, asked, together)
	if float64(sends) > 0.5*asked || calls["io_uring_enter"] == 0 {
		t.Errorf("sends: %d calls for %d requests, want at most 0.5 each", sends, asked)
	}
}

// callsOfRequests counts the system calls of as many requests as asked, and the sends that left together, which are in no call of their own. It judges all but
// how the sends left.
func callsOfRequests(t *testing.T) (calls map[string]int, together int) {
	t.Helper()
	weir, address, admin := start(t, "logs: { access: off }")
	c := newClient(t, connections, dial(address))
	if err := c.ask(50 * connections); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.ask(asked); err != nil {
		t.Fatal(err)
	}
	untraced := time.Since(began)
	var took time.Duration
	before := sentTogether(t, admin)
	calls = trace(t, weir.Pid(), func() {
		began := time.Now()
		if err := c.ask(asked); err != nil {
			t.Error(err)
		}
		took = time.Since(began)
	})
	t.Logf("%d requests in %v: %v", asked, took, calls)

	together = sentTogether(t, admin) - before

	// None of the connections ends meanwhile; a request that meets another loop's peak may open one more to the server.
	for what, n := range map[string]int{"receives": calls["recvfrom"], "sends": calls["sendto"] + together} {
		if n < 2*asked || float64(n) > 2*asked*1.005 {
			t.Errorf("%d %s for %d requests, want 2 each", n, what, asked)
		}
	}
	if n := calls["epoll_pwait"]; float64(n) > 0.3*asked {
		t.Errorf("epoll_pwait: %d calls for %d requests, want at most 0.3 each", n, asked)
	}
	// Whatever is done once per connection, or by the clock, has no place in a request.
	for _, name := range []string{"epoll_ctl", "setsockopt", "getsockopt", "clock_gettime", "gettimeofday", "read", "write", "readv",
		"writev", "recvmsg", "sendmsg", "epoll_wait", "accept4", "close", "mmap", "madvise"} {
		if n := calls[name]; float64(n) > 0.005*asked {
			t.Errorf("%s: %d calls for %d requests, want none", name, n, asked)
		}
	}
	// A loop wakes nobody. What futex calls there are come with time and not with requests, and tracing stretches time: the runtime's
	// monitor looks every 10 ms (nanosleep) and interrupts a loop that has held its processor that long (getpid, tgkill,
	// rt_sigreturn), which then goes on on another thread: one wakes, one goes to sleep, and one may look for work in vain. So a second
	// has 100 ticks and a few hundred calls, however many requests, and the share of a request is taken at the speed without strace.
	perSecond := float64(calls["futex"]) / took.Seconds()
	perRequest := perSecond * untraced.Seconds() / asked
	t.Logf("futex: %.0f a second; %.4f per request at %.0f requests a second", perSecond, perRequest, asked/untraced.Seconds())
	if perSecond > 800 || perRequest >= 0.05 {
		t.Errorf("futex: %.0f calls a second, %.3f per request, want at most 800 and less than 0.05", perSecond, perRequest)
	}
	return calls, together
}

// sentTogether is how many sends have left together since the start.
func sentTogether(t *testing.T, admin string) (n int) {
	t.Helper()
	answer, err := peers.AskAdmin(admin, "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var status api.Status
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	for _, l := range status.Loops {
		n += int(l.SendsTogether)
	}
	return n
}

// trace counts the system calls of all threads of a process while f runs.
func trace(t *testing.T, pid int, f func()) map[string]int {
	t.Helper()
	strace, err := peers.Find("strace")
	if err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(t.TempDir(), "calls")
	cmd := exec.Command(strace, "-f", "-c", "-o", table, "-p", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	words, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(words)
	if !said.Scan() || !strings.Contains(said.Text(), "attached") {
		t.Fatalf("strace: %s", said.Text())
	}
	f()
	cmd.Process.Signal(syscall.SIGINT)
	for said.Scan() { // until it has ended
	}
	cmd.Wait()
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	return callsOf(t, string(text))
}

// callsOf reads strace's table: % time, seconds, usecs/call, calls, errors if any, syscall.
func callsOf(t *testing.T, table string) map[string]int {
	t.Helper()
	calls := map[string]int{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[len(fields)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(fields[3]); err == nil {
			calls[fields[len(fields)-1]] = n
		}
	}
	if len(calls) == 0 {
		t.Fatalf("no calls in strace's table:\n%s", table)
	}
	return calls
}
