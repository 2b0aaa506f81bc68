package networks

import (
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

// A kilobyte that the kernel forwards costs at most a quarter of the processor time of one that passes through weir. Messages go to and fro one at a time, so that each of them wakes
// weir: in bulk, a busy machine hands more bytes to weir with each wake-up, and the result depends on what else runs. The two ends cost more than the kernel's forwarding. A cable
// between them has the cost of the ends alone, which is subtracted round by round: a round is a few hundredths of a second, in which other programs disturb all three ways alike. The
// order of the ways changes with each round. The network has no bridge, whose packets br_netfilter would have filtered twice.
func TestWhatTheKernelCarriesCostsAFractionOfProxying(t *testing.T) {
	client, weir, server := newHost(t, "client"), newHost(t, "weir"), newHost(t, "server")
	connect(client, "eth0", "10.1.0.2/24", weir, "inside", "10.1.0.1/24")
	connect(server, "eth0", "10.2.0.2/24", weir, "outside", "10.2.0.1/24")
	connect(client, "cable", "10.9.0.1/24", server, "cable", "10.9.0.2/24")
	client.route("0.0.0.0/0", "10.1.0.1")
	server.route("0.0.0.0/0", "10.2.0.1")
	weir.forwards()
	l := server.listen("tcp", ":9000")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { echo(blocking(t, c)); c.Close() }()
		}
	}()
	w := weir.weir(carrying)
	counted := append(softirqThreads(t), w.Process.Pid, os.Getpid()) // the kernel does the network's work of all hosts on behalf of this process
	const rounds, exchanges, wanted = 200, 500, 0.25
	var ways [3]int
	for i, to := range []string{"10.9.0.2:9000", "10.1.0.1:9001", "10.1.0.1:9002"} {
		c, err := client.dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ways[i] = blocking(t, c)
	}
	cost := func(way int) float64 {
		before := used(t, counted)
		if err := exchange(ways[way], exchanges); err != nil {
			t.Fatal(err)
		}
		return float64((used(t, counted) - before).Nanoseconds()) / 1000 / exchanges
	}
	const cable, nat, proxy = 0, 1, 2
	var ends, byKernel, byWeir []float64
	for round := range rounds {
		var us [3]float64
		for i := range us {
			way := (i + round) % len(us)
			us[way] = cost(way)
		}
		ends, byKernel, byWeir = append(ends, us[cable]), append(byKernel, us[nat]-us[cable]), append(byWeir, us[proxy]-us[cable])
	}
	ratio := median(byKernel) / median(byWeir)
	t.Logf("µs of processor time per exchange: the ends have %.1f; the kernel adds %.1f, weir %.1f; the kernel costs %.2f of weir", median(ends), median(byKernel), median(byWeir), ratio)
	if ratio > wanted {
		t.Errorf("the kernel costs %.2f of weir, expected at most %.2f", ratio, wanted)
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	return (list[n/2] + list[(n-1)/2]) / 2
}

// message is the size of what is sent and of what is answered.
const message = 1024

// blocking has system calls on the connection wait in the kernel, which costs the ends less than Go's poller.
func blocking(t *testing.T, c net.Conn) (fd int) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(of uintptr) { fd = int(of) })
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		t.Error(err)
	}
	return fd
}

// echo answers messages until the connection ends.
func echo(fd int) {
	b := make([]byte, message)
	for receive(fd, b) == nil {
		if _, err := unix.Write(fd, b); err != nil {
			return
		}
	}
}

// exchange sends messages and waits for the answer to each.
func exchange(fd, n int) error {
	b := make([]byte, message)
	for range n {
		if _, err := unix.Write(fd, b); err != nil {
			return err
		}
		if err := receive(fd, b); err != nil {
			return err
		}
	}
	return nil
}

func receive(fd int, b []byte) error {
	for len(b) > 0 {
		switch n, err := unix.Read(fd, b); {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return unix.ECONNRESET
		default:
			b = b[n:]
		}
	}
	return nil
}

// used is the processor time of these processes so far, in nanoseconds: /proc counts hundredths of a second.
func used(t *testing.T, pids []int) (sum time.Duration) {
	t.Helper()
	const schedulerClock = 2 // CPUCLOCK_SCHED
	for _, pid := range pids {
		var now unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &now); err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(now.Nano())
	}
	return sum
}

// softirqThreads are the kernel's own threads for the network's work.
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
