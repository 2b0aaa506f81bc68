package http2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// attempts of one attack, on as many connections as it takes.
const attempts = 100_000

// An attacker is to be cut off within so many frames, or so much time.
const (
	cutFrames = 1000
	cutTime   = 1500 * time.Millisecond // a connection that is cut is read on for up to a second, so that its client gets to know why
)

// flood is something that costs the server work for nothing. attempt does it once and says how many frames that took.
type flood struct {
	begin   func(c *client) error
	attempt func(c *client) (int, error)
}

// one is a flood of single frames.
func one(f func(c *client) error) flood {
	return flood{attempt: func(c *client) (int, error) { return 1, f(c) }}
}

// open is a flood whose every attempt opens a stream first.
func opened(end bool, then func(c *client, id uint32) error, fields ...string) flood {
	return flood{attempt: func(c *client) (int, error) {
		id, err := c.open(end, append(get("/128"), fields...)...)
		if err == nil {
			err = then(c, id)
		}
		return 2, err
	}}
}

// onStream is a flood on one stream that stays open.
func onStream(f func(c *client) error) flood {
	a := one(f)
	a.begin = func(c *client) error {
		_, err := c.open(false, append(get("/sink"), "content-type: x")...)
		return err
	}
	return a
}

// inHead is a flood within a head that never ends.
func inHead(fragment []byte) flood {
	a := one(func(c *client) error { return c.WriteContinuation(1, false, fragment) })
	a.begin = func(c *client) error {
		return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.encode(get("/")...)})
	}
	return a
}

var floods = map[string]flood{
	"rapid reset": opened(true, func(c *client, id uint32) error { return c.WriteRSTStream(id, http2.ErrCodeCancel) }),
	"made you reset: window update of zero": opened(false, func(c *client, id uint32) error {
		return c.WriteRawFrame(http2.FrameWindowUpdate, 0, id, []byte{0, 0, 0, 0})
	}),
	"made you reset: window overflow": opened(false, func(c *client, id uint32) error { return c.WriteWindowUpdate(id, 1<<31-1) }),
	"made you reset: priority length": opened(false, func(c *client, id uint32) error { return c.WriteRawFrame(http2.FramePriority, 0, id, make([]byte, 4)) }),
	"made you reset: priority on itself": opened(false, func(c *client, id uint32) error {
		return c.WritePriority(id, http2.PriorityParam{StreamDep: id})
	}),
	"made you reset: data after the end": opened(true, func(c *client, id uint32) error { return c.WriteData(id, false, []byte("x")) }),
	"made you reset: length":             opened(false, func(c *client, id uint32) error { return c.WriteData(id, true, []byte("xyz")) }, "content-length: 2"),
	"made you reset: connection fields":  opened(true, func(*client, uint32) error { return nil }, "connection: x"),
	"continuation, empty":                inHead(nil),
	"continuation, small":                inHead(hpackLiteral("a", "b")),
	"continuation, large":                inHead(hpackLiteral("a", strings.Repeat("b", 16000))),
	"settings": one(func(c *client) error {
		return c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	}),
	"ping":                       one(func(c *client) error { return c.WritePing(false, [8]byte{}) }),
	"priority":                   one(func(c *client) error { return c.WritePriority(1001, http2.PriorityParam{StreamDep: 3}) }),
	"priority update":            one(func(c *client) error { return c.WriteRawFrame(0x10, 0, 0, []byte{0, 0, 0, 1, 'u', '=', '1'}) }),
	"window updates of one byte": one(func(c *client) error { return c.WriteWindowUpdate(0, 1) }),
	"unknown frames":             one(func(c *client) error { return c.WriteRawFrame(0x42, 0, 0, nil) }),
	"empty data":                 onStream(func(c *client) error { return c.WriteData(1, false, nil) }),
	"data of one byte":           onStream(func(c *client) error { return c.WriteData(1, false, []byte("x")) }),
	"empty heads": {attempt: func(c *client) (int, error) {
		c.next += 2
		return 1, c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.next, EndHeaders: true})
	}},
	"hpack bomb":        bomb("x", "v"),
	"hpack bomb, large": bomb("x", strings.Repeat("v", 3000)),
	"cookie crumbs":     bomb("cookie", "a=b"),
}

func hpackLiteral(name, value string) []byte {
	return append(append([]byte{0, byte(len(name))}, name...), func() []byte {
		b := []byte{0x7f}
		n := len(value) - 127
		if n < 0 {
			return append([]byte{byte(len(value))}, value...)
		}
		for ; n >= 128; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(append(b, byte(n)), value...)
	}()...)
}

// bomb puts a field into the table once and refers to it by a byte thousands of times, in each of many requests.
func bomb(name, value string) flood {
	return flood{
		begin: func(c *client) error {
			_, err := c.open(true, append(get("/128"), name+": "+value)...)
			return err
		},
		attempt: func(c *client) (int, error) {
			block := slices.Clone(c.encode(get("/128")...))
			for len(block) < 16000 {
				block = append(block, 0x80|62) // the entry that came last
			}
			id := c.next
			c.next += 2
			return 1, c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true})
		},
	}
}

// What was done is said.
func TestAFloodIsLogged(t *testing.T) {
	w := newWorld(t, "sites:\n  \"*\": { respond: 200 }\n")
	c := w.dial(w.clear)
	for range 1000 {
		if c.WritePing(false, [8]byte{}) != nil {
			break
		}
	}
	if err := c.ended(5 * time.Second); !errors.Is(err, errGoAway{http2.ErrCodeEnhanceYourCalm}) {
		t.Errorf("ended by %v", err)
	}
	c.conn.Close()
	w.logs(`"reason":"client.read.flood".*"detail":"budget_ping"|"detail":"budget_ping".*"reason":"client.read.flood"`)
}

func TestFloodsAreCutOffAndOthersFeelNothing(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(make([]byte, 128))
	}))
	// No more can be written to than that: what the system would refuse, a flood must not need.
	limited := []string{"prlimit", fmt.Sprintf("--data=%d", 256<<20)}
	w := newWorldUnder(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at), limited)
	good := newGoodClients(t, w)
	// Attackers are on machines of their own. Here they have what of this one is left: who is slowed by them is slowed by weir.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 2))
	quiet := good.watch(time.Second)
	before := w.resident()
	for name, f := range floods {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			seen := make(chan latencies)
			go func() { seen <- good.until(stop) }()
			n, conns := 0, 0
			inTheBackground(func() { n, conns = w.attack(t, f, time.Minute) })
			close(stop)
			l := <-seen
			if n < attempts && !t.Failed() {
				t.Errorf("%d attempts of %d", n, attempts)
			}
			if l.failed > 0 || l.asked == 0 {
				t.Errorf("%d of %d requests of good clients failed", l.failed, l.asked)
			}
			grown := w.resident() - before
			t.Logf("%d attempts on %d connections; good clients p99 %v (%v in quiet), resident %+d kB", n, conns, l.p99, quiet.p99, grown)
			if grown > 64<<10 {
				t.Errorf("resident memory has grown by %d kB", grown)
			}
			if bound := max(3*quiet.p99, 25*time.Millisecond); l.p99 > bound {
				t.Errorf("good clients' p99 is %v, in quiet %v", l.p99, quiet.p99)
			}
		})
	}
}

// inTheBackground has f run on a thread of the lowest priority.
func inTheBackground(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), 19)
		f()
	}()
	<-done
}

// attack goes on, on one connection after the other, until enough was attempted or time is over, and wants each to be cut off soon.
func (w *world) attack(t *testing.T, f flood, most time.Duration) (n, conns int) {
	for by := time.Now().Add(most); n < attempts && time.Now().Before(by); conns++ {
		c := w.dial(w.clear)
		ended := make(chan error, 1)
		go func() { ended <- c.ended(10 * time.Second) }()
		if f.begin != nil {
			f.begin(c)
		}
		began, frames := time.Now(), 0
		for {
			k, err := f.attempt(c)
			frames += k
			n++
			if err != nil {
				break
			}
			if took := time.Since(began); frames > cutFrames && took > cutTime {
				t.Errorf("%d frames in %v, and the connection is still there", frames, took)
				c.conn.Close()
				return n, conns
			}
		}
		var away errGoAway
		if err := <-ended; conns == 0 && !errors.As(err, &away) {
			t.Logf("the first connection ended without GOAWAY: %v", err)
		}
		c.conn.Close()
	}
	return n, conns
}

// resident is weir's resident memory in kB.
func (w *world) resident() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Pid()))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(v)[0])
			return n
		}
	}
	w.t.Fatal("no VmRSS")
	return 0
}

// goodClients ask now and then, as people do.
type goodClients struct {
	clients []*http.Client
	url     string
}

type latencies struct {
	p99           time.Duration
	asked, failed int
}

func newGoodClients(t *testing.T, w *world) *goodClients {
	g := &goodClients{url: "https://localhost:" + port(w.secure) + "/128"}
	for range 4 {
		g.clients = append(g.clients, w.http())
	}
	return g
}

func (g *goodClients) watch(d time.Duration) latencies {
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	return g.until(stop)
}

func (g *goodClients) until(stop chan struct{}) latencies {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var times []time.Duration
	var l latencies
	for _, c := range g.clients {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				began := time.Now()
				response, err := c.Get(g.url)
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				mu.Lock()
				if err != nil || response.StatusCode != 200 {
					l.failed++
				}
				l.asked++
				times = append(times, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(times) > 0 {
		slices.Sort(times)
		l.p99 = times[len(times)*99/100]
	}
	return l
}
