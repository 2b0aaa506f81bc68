package networks

import (
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const carrying = `
listeners:
  nat:   { address: "10.1.0.1:9001", protocol: tcp, pool: nat }
  proxy: { address: "10.1.0.1:9002", protocol: tcp, pool: proxy }
pools:
  nat:   { servers: ["10.2.0.2:9000"], mode: nat }
  proxy: { servers: ["10.2.0.2:9000"] }
admin: off
logs: { access: off }
`

// What the kernel carries costs this machine a fraction of what passes through weir: a quarter is asked, docs/benchmarks.md has what was measured. The cost of the
// two ends, which a cable between them has too, is taken off. Of each the cheapest round counts, since whatever else a machine does only adds, and half is
// what fails: on a shared one a quarter would be decided by others.
func TestWhatTheKernelCarriesCostsAFractionOfProxying(t *testing.T) {
	client, weir, servers := farm(t)
	server := servers[0]
	connect(client, "cable", "10.9.0.1/24", server, "cable", "10.9.0.2/24")
	l := server.listen("tcp", ":9000")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(io.Discard, onlyReader{c}); c.Close() }()
		}
	}()
	w := weir.weir(carrying)
	cost := func(to string) float64 {
		const size = 1 << 30
		c, err := client.dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		piece := make([]byte, 256<<10)
		before := used(t, w.Process.Pid)
		for sent := 0; sent < size; sent += len(piece) {
			if _, err := c.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c) // until the server has had everything
		return (used(t, w.Process.Pid) - before).Seconds()
	}
	var cable, nat, proxy []float64
	for range 4 {
		cable, nat, proxy = append(cable, cost("10.9.0.2:9000")), append(nat, cost("10.1.0.1:9001")), append(proxy, cost("10.1.0.1:9002"))
	}
	t.Logf("CPU seconds of 1 GiB: %.2f by cable, %.2f by the kernel, %.2f by weir", cable, nat, proxy)
	ends := slices.Min(cable)
	ratio := max(0, slices.Min(nat)-ends) / (slices.Min(proxy) - ends)
	t.Logf("the kernel costs %.2f of weir", ratio)
	if ratio > 0.5 {
		t.Errorf("the kernel costs %.2f of weir, want a quarter", ratio)
	}
}

// onlyReader hides what would have io.Copy splice.
type onlyReader struct{ io.Reader }

// used is the processor time of this process, in which the kernel does the network's work of all hosts, of weir, and of the kernel's own threads for it.
func used(t *testing.T, pid int) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	sum := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, id := range append(softirqThreads(t), pid) {
		sum += ticksOf(t, id)
	}
	return sum
}

func ticksOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100)
}

func softirqThreads(t *testing.T) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if name, _ := os.ReadFile("/proc/" + e.Name() + "/comm"); strings.HasPrefix(string(name), "ksoftirqd/") {
			pids = append(pids, pid)
		}
	}
	return pids
}
