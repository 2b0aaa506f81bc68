package http3

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// replace kills a server and starts another one at its address, before anybody could notice that nobody listens there.
func (e *edge) replace(o *origin, h http.Handler) *origin {
	e.t.Helper()
	at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(o.address))
	o.kill()
	return e.serveAt(at, &tls.Config{Certificates: []tls.Certificate{e.certificate}}, 100, h)
}

// A server that was killed and started anew knows nothing of its connections. What waits there must not wait for QUIC to give the connection up, which takes 25 seconds, and what comes
// later must not join it.
func TestAServerThatIsKilledAndStartedAnewKeepsNobodyWaiting(t *testing.T) {
	for name, requests := range map[string]int{"under load": 60, "a few requests alone": 3} {
		t.Run(name, func(t *testing.T) { killedAndStartedAnew(t, requests) })
	}
}

func killedAndStartedAnew(t *testing.T, requests int) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	clients := []*http.Client{e.http1, e.http2, e.http3c}
	for range 4 {
		for _, c := range clients {
			e.get(c, "/fields", 200)
		}
	}
	e.replace(o, http.HandlerFunc(answers))
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			began := time.Now()
			answer, err := clients[i%3].Get(e.url("/fields"))
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if took := time.Since(began); answer.StatusCode != 200 || took > 12*time.Second {
				t.Errorf("request %d: status %d after %v", i, answer.StatusCode, took)
			}
		})
		time.Sleep(100 * time.Millisecond)
	}
	all.Wait()
}

// Requests that take long, on a connection that has no room for others, are not taken for a server that is gone.
func TestAServerThatTakesLongIsNotSilent(t *testing.T) {
	e := newEdge(t)
	o := e.serve(1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			time.Sleep(6 * time.Second)
		}
		answers(w, r)
	}))
	e.run(trusted+", retries: { count: 0 }", o.address)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { e.get(e.http2, "/long", 200) })
	}
	for by := time.Now().Add(7 * time.Second); time.Now().Before(by); time.Sleep(50 * time.Millisecond) {
		e.get(e.http1, "/fields", 200)
	}
	all.Wait()
	if n := o.asked.Load(); o.conns.Load() > 20 {
		t.Errorf("%d requests came on %d connections", n, o.conns.Load())
	}
}
