package steady

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/test/peers"
)

// counted is the number of requests over which allocations are counted.
const counted = 32000

// mostPerRequest leaves room for what comes with time: the resolver's and the monitor's timers, the runtime's own.
const mostPerRequest = 0.01

// allocationRounds is how often allocations are counted while there are too many: the fewest are those of requests.
const allocationRounds = 5

// fewest are the allocations per request, counted again while they are more than most: what comes with time comes more often where the machine is slow, what comes with requests comes in every
// round.
func fewest(t *testing.T, c *client, most float64) float64 {
	n := allocations(t, c)
	for round := 1; n > most && round < allocationRounds; round++ {
		n = min(n, allocations(t, c))
	}
	return n
}

func TestAProxiedRequestAllocatesNothing(t *testing.T) {
	for name, logs := range map[string]string{"without a log": "off", "json": "json", "combined": "combined"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "access.log")
			access := "{ format: " + logs + ", file: " + file + " }"
			if logs == "off" {
				access = "off"
			}
			address := serve(t, "", access)
			c := newClient(t, connections, dial(address))
			n := fewest(t, c, mostPerRequest)
			t.Logf("%.5f allocations per request", n)
			if n > mostPerRequest {
				t.Errorf("%.4f allocations per request, want none", n)
			}
			if logs != "off" {
				if lines := linesIn(t, file); lines < counted {
					t.Errorf("the log has %d lines", lines)
				}
			}
		})
	}
}

// crypto/tls allocates a little for each record that it reads. What a client and a server of its own, without a weir, allocate for
// the same bytes is taken off: weir must add nothing to it.
func TestTLSOnTheClientSideAddsNoAllocation(t *testing.T) {
	files, err := peers.NewCertificate(t.TempDir(), "steady.test")
	if err != nil {
		t.Fatal(err)
	}
	secure := func(address string) func() (net.Conn, error) {
		return func() (net.Conn, error) {
			return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		}
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	direct := origin(t, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}))
	without := allocations(t, newClient(t, connections, secure(direct)))
	address := serve(t, ", tls: { certificates: [{ cert: "+files.Cert+", key: "+files.Key+" }] }", "off")
	with := fewest(t, newClient(t, connections, secure(address)), without+mostPerRequest)
	t.Logf("%.4f allocations per request through weir, %.4f of crypto/tls without it", with, without)
	if with > without+mostPerRequest {
		t.Errorf("%.4f allocations per request, %.4f of them without weir", with, without)
	}
	// Client and server together: one for each record read, on either side.
	if without > 4 {
		t.Errorf("crypto/tls itself allocates %.2f times per request", without)
	}
}

// allocations counts all of the process's, of which client and origin do none, and divides them by the requests.
func allocations(t *testing.T, c *client) float64 {
	t.Helper()
	if err := c.ask(100 * connections); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := c.ask(counted); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Starting the clients' goroutines is the test's.
	return max(0, float64(after.Mallocs-before.Mallocs)-2*connections) / counted
}

// serve runs a weir with epoll loops in this process before a small origin.
func serve(t *testing.T, secure, access string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("FRONT", addresses[0], "ORIGIN", origin(t, l), "SECURE", secure, "ACCESS", access).Replace(`
listeners:
  front: { address: "FRONT"SECURE }
pools:
  web: { servers: ["ORIGIN"] }
sites:
  "*": web
admin: off
logs: { access: ACCESS }
`)
	load := func() (*config.Config, config.Problems) { return config.Parse("weir.yaml", []byte(text)) }
	d, problems, err := lifecycle.Start(lifecycle.Options{Load: load, Loops: 2, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err, problems)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := d.Stop(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	return addresses[0]
}

// origin answers whatever comes, one answer for each read. It allocates for connections and not for requests.
func origin(t *testing.T, l net.Listener) (address string) {
	t.Helper()
	t.Cleanup(func() { l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 128\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("x", 128))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// linesIn waits until the log's worker has written what the rings held.
func linesIn(t *testing.T, file string) (lines int) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Second); lines < counted && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines = strings.Count(string(text), "\n")
	}
	return lines
}
