package chaos

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/test/peers"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/flow"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/traffic/tunnel"
)

const text = `
listeners:
  clear:  { address: "127.0.0.1:1" }
  secure: { address: "127.0.0.1:2", tls: { certificates: [{ cert: CERT, key: KEY }] } }
logs: { access: off }
defaults: { timeouts: { response: 6s } }
pools:
  good:    { servers: ["GOOD_A", "GOOD_B"] }
  goodtls: { servers: ["GOODTLS"], tls: { ca: CERT } }
  bad:     { servers: ["BAD_A", "BAD_B"], eject: off }
  badtls:  { servers: ["BADTLS"], tls: { verify: off }, eject: off }
sites:
  "*": { /good/*: good, /goodtls/*: goodtls, /bad/*: bad, /badtls/*: badtls }
`

// weir is what a daemon is made of, with the engine at hand: what its loops hold is part of what is checked.
type weir struct {
	t             *testing.T
	engine        *engine.Engine
	driver        *exchange.Driver
	running       *snapshot.Snapshot
	sockets       []*engine.Listener
	clear, secure string
	servers       []*server
	panics        atomic.Int64
}

func newWeir(t *testing.T, portable bool) *weir {
	t.Helper()
	cert, err := peers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert.Cert, cert.Key)
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{pair}}
	w := &weir{t: t}
	fill := []string{"CERT", cert.Cert, "KEY", cert.Key}
	for _, name := range []string{"GOOD_A", "GOOD_B", "GOODTLS", "BAD_A", "BAD_B", "BADTLS"} {
		c := secure
		if !strings.HasSuffix(name, "TLS") {
			c = nil
		}
		s := newServer(t, c)
		w.servers = append(w.servers, s)
		fill = append(fill, `"`+name+`"`, `"`+s.Addr().String()+`"`)
	}
	cfg, problems := config.Parse("weir.yaml", []byte(strings.NewReplacer(fill...).Replace(text)))
	if cfg == nil {
		t.Fatal(problems)
	}
	const loops = 2
	w.running, problems = snapshot.Build(cfg, nil, loops)
	if w.running == nil {
		t.Fatal(problems)
	}
	w.engine, err = engine.New(engine.Config{Loops: loops, Portable: portable, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	w.driver = exchange.NewDriver(w.engine)
	for i := range w.running.Listeners {
		l := &w.running.Listeners[i]
		any, _ := engine.ParseAddress("127.0.0.1:0")
		socket, err := w.engine.Listen(any, engine.ListenConfig{}, listener.New(listener.Drivers{Exchanges: w.driver, Tunnels: tunnel.NewDriver(w.engine, w.driver.Rings()), Flows: flow.NewDriver(w.engine, w.driver.Rings())}, l.Setup, loops))
		if err != nil {
			t.Fatal(err)
		}
		w.sockets = append(w.sockets, socket)
		if l.Name == "secure" {
			w.secure = socket.Address.String()
		} else {
			w.clear = socket.Address.String()
		}
	}
	return w
}

func (w *weir) log(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if strings.Contains(message, "panic") {
		w.panics.Add(1)
		w.t.Error(message)
	}
}

// settle waits until nothing is under way and says what never ended.
func (w *weir) settle() {
	w.t.Helper()
	var left []string
	for by := time.Now().Add(5 * time.Second); time.Now().Before(by); time.Sleep(20 * time.Millisecond) {
		if left = w.left(); len(left) == 0 {
			return
		}
	}
	buf := make([]byte, 1<<20)
	w.t.Errorf("still there after all clients have gone: %s\n%s", strings.Join(left, ", "), parked(string(buf[:runtime.Stack(buf, true)])))
}

func (w *weir) left() (left []string) {
	w.engine.Each(func(l *engine.Loop) {
		st := w.driver.Stats(l.Index)
		if st.Active != 0 || st.Clients != 0 || l.BuffersOut() != 0 || l.Stats.Panics != 0 {
			left = append(left, fmt.Sprintf("loop %d: %d exchanges, %d clients, %d buffers, %d panics", l.Index, st.Active, st.Clients,
				l.BuffersOut(), l.Stats.Panics))
		}
		for name, d := range w.running.Destinations {
			for _, s := range d.Pool.Set().Servers {
				if n := s.Load(l.Index).InFlight; n != 0 {
					left = append(left, fmt.Sprintf("loop %d: %d in flight to %s of %s", l.Index, n, s.Name, name))
				}
			}
		}
	})
	return left
}

// parked are the stacks that stand in the midst of an exchange.
func parked(stacks string) string {
	var b strings.Builder
	for _, s := range strings.Split(stacks, "\n\n") {
		if strings.Contains(s, "weir/traffic/") {
			b.WriteString(s + "\n\n")
		}
	}
	return b.String()
}

func (w *weir) stop() {
	for _, s := range w.sockets {
		s.Close()
	}
	w.engine.Each(func(l *engine.Loop) {
		for _, d := range w.running.Destinations {
			for _, s := range d.Pool.Set().Servers {
				attempt.CloseIdle(s.Load(l.Index))
			}
		}
	})
	for _, s := range w.servers {
		s.stop()
	}
	w.engine.Close()
}

func descriptors() int {
	list, _ := filepath.Glob("/proc/self/fd/*")
	n := 0
	for _, f := range list {
		if to, err := os.Readlink(f); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
