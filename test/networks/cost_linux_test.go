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

// What the kernel carries costs this machine a quarter at most of what passes through weir. The cost of the two ends, which a cable between them has too, is taken
// off; they copy nothing, or they would be most of all and what is looked for would be lost in it. Rounds are interleaved and the middle one counts, so that neither one
// that others disturbed nor one that was lucky decides.
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
			go func() { drop(c.(*net.TCPConn)); c.Close() }()
		}
	}()
	w := weir.weir(carrying)
	file := memoryFile(t, 64<<20)
	cost := func(to string) float64 {
		const size = 1 << 30
		c, err := client.dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		before := used(t, w.Process.Pid)
		for sent := int64(0); sent < size; {
			file.Seek(0, io.SeekStart)
			n, err := c.(*net.TCPConn).ReadFrom(file) // by sendfile
			if err != nil {
				t.Fatal(err)
			}
			sent += n
		}
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c) // until the server has had everything
		return (used(t, w.Process.Pid) - before).Seconds()
	}
	// The cost is counted in hundredths of a second, and what is taken off for the ends is more than what is left: a few rounds tell it to a third, and all of them decide.
	const roundsLeast, roundsMost, wanted = 8, 40, 0.25
	var cable, nat, proxy []float64
	ratio := 1.0
	for round := 1; round <= roundsLeast || ratio > wanted && round <= roundsMost; round++ {
		cable, nat, proxy = append(cable, cost("10.9.0.2:9000")), append(nat, cost("10.1.0.1:9001")), append(proxy, cost("10.1.0.1:9002"))
		ends := median(cable)
		ratio = max(0, median(nat)-ends) / (median(proxy) - ends)
	}
	t.Logf("CPU seconds of 1 GiB in %d rounds: %.2f by cable, %.2f by the kernel, %.2f by weir", len(nat), cable, nat, proxy)
	t.Logf("the kernel costs %.2f of weir", ratio)
	if ratio > wanted {
		t.Errorf("the kernel costs %.2f of weir, want a quarter", ratio)
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	return (list[n/2] + list[(n-1)/2]) / 2
}

// memoryFile is a file that no disk has.
func memoryFile(t *testing.T, size int64) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("bytes", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "bytes")
	t.Cleanup(func() { f.Close() })
	if _, err := io.CopyN(f, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	return f
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// drop takes what comes without copying it.
func drop(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	b := make([]byte, 1<<20)
	raw.Read(func(fd uintptr) bool {
		for {
			n, _, err := unix.Recvfrom(int(fd), b, unix.MSG_TRUNC)
			if err == unix.EAGAIN {
				return false
			}
			if n <= 0 {
				return true
			}
		}
	})
}

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
