package http3

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

func TestRequestsReachServersOfHTTP3(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	sent := make([]byte, 20<<20)
	rand.Read(sent)
	for version, c := range e.clients() {
		for _, n := range []int{0, 1, 100, 16384, 70_000, len(sent)} {
			for _, knowsLength := range []bool{true, false} {
				var body io.Reader = bytes.NewReader(sent[:n])
				if !knowsLength {
					body = io.MultiReader(body)
				}
				r, _ := http.NewRequest("POST", e.url("/echo"), body)
				r.Header.Set("TE", "trailers")
				want := fmt.Sprint(n)
				if !knowsLength {
					r.Trailer = http.Header{"X-Start": {"yes"}}
					want += "yes"
				}
				answer, err := c.Do(r)
				if err != nil {
					t.Fatalf("%s, %d bytes: %v", version, n, err)
				}
				got, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || !bytes.Equal(got, sent[:n]) || answer.Proto != version || answer.Header.Get("X-Proto") != "HTTP/3.0" {
					t.Errorf("%s, %d bytes, length known %v: %d came back by %s, %v", version, n, knowsLength, len(got), answer.Header.Get("X-Proto"), err)
				}
				if end := answer.Trailer.Get("X-End"); end != want && (n > 0 || knowsLength) {
					t.Errorf("%s, %d bytes, length known %v: trailer %q, want %q", version, n, knowsLength, end, want)
				}
			}
		}
	}
	if n := o.conns.Load(); n > 8 {
		t.Errorf("%d requests came on %d connections", o.asked.Load(), n)
	}
}

func TestAnswersOfAllKindsComeFromServersOfHTTP3(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	for version, c := range e.clients() {
		var hints []int
		r, _ := http.NewRequest("GET", e.url("/hints"), nil)
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if h.Get("Link") != "" {
				hints = append(hints, code)
			}
			return nil
		}}
		answer, err := c.Do(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if len(hints) != 1 || hints[0] != 103 || string(body) != "hinted" {
			t.Errorf("%s: hints %v, %q", version, hints, body)
		}
		head, err := c.Head(e.url("/slow"))
		if err != nil || head.StatusCode != 200 {
			t.Errorf("%s: HEAD: %v %v", version, head, err)
		}
		if _, body := e.get(c, "/empty", 204); body != "" {
			t.Errorf("%s: 204 with %q", version, body)
		}
	}
	r, _ := http.NewRequest("POST", e.url("/continue"), strings.NewReader("after 100"))
	r.Header.Set("Expect", "100-continue")
	client := *e.http1
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.roots}, ExpectContinueTimeout: 20 * time.Second}
	began := time.Now()
	if answer, err := client.Do(r); err != nil || answer.StatusCode != 200 || time.Since(began) > 900*time.Millisecond {
		t.Errorf("100 (Continue) of the server's: %v %v after %v", answer, err, time.Since(began))
	}
}

// A server may answer before it has read the request; the client gets that answer.
func TestAnEarlyAnswerOfAServerIsTheAnswer(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	for version, c := range e.clients() {
		answer, err := c.Post(e.url("/early"), "text/plain", io.LimitReader(pattern{}, 3<<20))
		if err != nil {
			if version == "HTTP/1.1" { // net/http may see the end of the connection before the answer
				continue
			}
			t.Errorf("%s: %v", version, err)
			continue
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != 413 || string(body) != "no\n" {
			t.Errorf("%s: %d %q", version, answer.StatusCode, body)
		}
	}
	e.get(e.http2, "/fields", 200)
}

func TestAResetInAnAnswersMiddleIsSeen(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	for version, c := range e.clients() {
		answer, err := c.Get(e.url("/reset"))
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil {
			t.Errorf("%s: a cut answer of %d bytes looks whole", version, len(body))
		}
		if reason, _ := e.reason(); reason != "server.deliver.closed" {
			t.Errorf("%s: reason %s", version, reason)
		}
	}
}

func TestAServerThatIsNotTrustedIsNotAsked(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run("", o.address)
	e.get(e.http1, "/fields", 502)
	if reason, detail := e.reason(); reason != "server.connect.tls" || !strings.Contains(detail, "unknown authority") {
		t.Errorf("%s: %s", reason, detail)
	}
	if n := o.asked.Load(); n > 0 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestNamesOfServersAreVerified(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(", tls: { ca: cert.pem, server_name: other.example.com }", o.address)
	e.get(e.http1, "/fields", 502)
	if reason, detail := e.reason(); reason != "server.connect.tls" || !strings.Contains(detail, "other.example.com") {
		t.Errorf("%s: %s", reason, detail)
	}
}

func TestServersOfHTTP3MayAskForACertificate(t *testing.T) {
	e := newEdge(t)
	config := &tls.Config{Certificates: []tls.Certificate{e.certificate}, ClientAuth: tls.RequireAnyClientCert}
	o := e.serveTLS(config, 100, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(r.TLS.PeerCertificates[0].Raw) }))
	e.run(", tls: { ca: cert.pem, client_cert: { cert: cert.pem, key: key.pem } }", o.address)
	if _, body := e.get(e.http2, "/", 200); body != string(e.certificate.Certificate[0]) {
		t.Errorf("another certificate than weir's, of %d bytes", len(body))
	}
	e.write([]string{o.address}, trusted)
	e.weir.Signal(syscall.SIGHUP)
	for by := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if status, _, _ := get(t, e.http2, e.url("/")); status == 502 {
			break
		} else if time.Now().After(by) {
			t.Fatalf("status %d without a certificate", status)
		}
	}
	for by := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if reason, detail := e.reason(); strings.Contains(detail, "certificate required") {
			break
		} else if time.Now().After(by) {
			t.Fatalf("%s: %s", reason, detail)
		}
	}
}

// Nobody listens: the system says so, and nobody waits for the connect timeout.
func TestAServerThatIsNotThereIsKnownAtOnce(t *testing.T) {
	e := newEdge(t)
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	e.run(trusted, address)
	began := time.Now()
	e.get(e.http1, "/fields", 502)
	if reason, detail := e.reason(); reason != "server.connect.refused" || time.Since(began) > 2*time.Second {
		t.Errorf("%s: %s, after %v", reason, detail, time.Since(began))
	}
}

func TestAServerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted+", timeouts: { response: 300ms }, retries: { count: 0 }", o.address)
	e.get(e.http1, "/silent", 504)
	if reason, _ := e.reason(); reason != "server.receive.timeout" {
		t.Error(reason)
	}
	e.get(e.http1, "/fields", 200) // on the same connection
	if n := o.conns.Load(); n > 2 {
		t.Errorf("%d connections", n)
	}
}

// load keeps asking for a path until stop is called, which says how many answers there were; one that is not 200 and whole fails the test.
func (e *edge) load(clients int, path string) (stop func() int64) {
	var all sync.WaitGroup
	var done atomic.Int64
	end := make(chan struct{})
	for i := range clients {
		c := []*http.Client{e.http1, e.http2, e.http3c}[i%3]
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				answer, err := c.Get(e.url(path))
				if err != nil {
					e.t.Errorf("%v", err)
					return
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if answer.StatusCode != 200 || err != nil {
					e.t.Errorf("status %d, %q, %v", answer.StatusCode, body, err)
					return
				}
				done.Add(1)
			}
		})
	}
	return func() int64 {
		close(end)
		all.Wait()
		return done.Load()
	}
}

func TestManyExchangesShareFewConnections(t *testing.T) {
	e := newEdge(t)
	o := e.serve(1000, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	stop := e.load(60, "/slow")
	time.Sleep(2 * time.Second)
	done := stop()
	if n := o.conns.Load(); done < 500 || n > 8 {
		t.Errorf("%d requests on %d connections", done, n)
	}
	p := e.pool()
	if m := p.Multiplexing; m.Clients < 10 || m.Servers == 0 || m.Servers > 8 {
		t.Errorf("weir counts %+v", m)
	}
	if s := p.Servers[0]; s.Connections.Opened != int(o.conns.Load()) || s.Connections.Open < 1 || s.Connections.Idle != s.Connections.Open {
		t.Errorf("weir counts %+v, the server %d", s.Connections, o.conns.Load())
	}
	t.Logf("%d requests on %d connections: %+v", done, o.conns.Load(), p.Multiplexing)
}

func TestTheServersLimitOfStreamsHoldsOverQUIC(t *testing.T) {
	e := newEdge(t)
	var running, most atomic.Int32
	o := e.serve(3, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		answers(w, r)
		running.Add(-1)
	}))
	e.run(trusted, o.address)
	stop := e.load(24, "/slow")
	time.Sleep(time.Second)
	done := stop()
	if n := o.conns.Load(); done < 100 || most.Load() > 3*n || n < 2 {
		t.Errorf("%d requests, up to %d at a time on %d connections", done, most.Load(), n)
	}
}

// A server that sends its connections away says so: what it has begun it ends, and the rest comes again.
func TestGOAWAYUnderLoadFailsNothing(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted+", timeouts: { connect: 1s }", o.address)
	stop := e.load(12, "/slow")
	const times = 5
	for range times {
		time.Sleep(300 * time.Millisecond)
		if err := o.renew(t.Context()); err != nil {
			t.Error(err)
		}
	}
	done := stop()
	if n := o.conns.Load(); done < 200 || n <= times {
		t.Errorf("%d requests on %d connections", done, n)
	}
	t.Logf("%d requests on %d connections", done, o.conns.Load())
}

func TestAServerThatDiesFailsNoGET(t *testing.T) {
	e := newEdge(t)
	a, b := e.serve(100, http.HandlerFunc(answers)), e.serve(100, http.HandlerFunc(answers))
	e.run(trusted+", balance: round_robin", a.address, b.address)
	stop := e.load(12, "/slow")
	time.Sleep(700 * time.Millisecond)
	a.kill()
	time.Sleep(1500 * time.Millisecond)
	done := stop()
	if a.asked.Load() < 20 || b.asked.Load() < 40 {
		t.Errorf("%d requests: %d at the server that died, %d at the other", done, a.asked.Load(), b.asked.Load())
	}
	t.Logf("%d requests: %d at the server that died, %d at the other", done, a.asked.Load(), b.asked.Load())
}

func TestAReloadKeepsConnectionsToServersOfHTTP3(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted, o.address)
	stop := e.load(6, "/slow")
	time.Sleep(300 * time.Millisecond)
	before := o.conns.Load()
	for i := range 20 {
		e.write([]string{o.address}, fmt.Sprintf("%s, timeouts: { response: %ds }", trusted, 30+i))
		e.reload()
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	if n := o.conns.Load(); n != before {
		t.Errorf("%d connections before, %d after", before, n)
	}
}

// An idle connection is closed by weir, and the server told.
func TestAnIdleConnectionEnds(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(answers))
	e.run(trusted+", timeouts: { idle: 300ms }", o.address)
	e.get(e.http1, "/fields", 200)
	for by := time.Now().Add(5 * time.Second); e.pool().Servers[0].Connections.Open > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("still open: %+v", e.pool().Servers[0].Connections)
		}
	}
	e.get(e.http1, "/fields", 200)
	if n := o.conns.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// Checks ask what requests will ask: over QUIC.
func TestChecksAskOverHTTP3(t *testing.T) {
	e := newEdge(t)
	var ill atomic.Bool
	o := e.serve(100, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && ill.Load() {
			w.WriteHeader(503)
			return
		}
		answers(w, r)
	}))
	e.run(trusted+", health: { path: /healthz, every: 100ms, rise: 1, fall: 1 }", o.address)
	e.becomes("up")
	e.get(e.http1, "/fields", 200)
	ill.Store(true)
	e.becomes("down")
	ill.Store(false)
	e.becomes("up")
	o.kill()
	e.becomes("down")
}

func (e *edge) becomes(health string) {
	e.t.Helper()
	for by := time.Now().Add(5 * time.Second); e.pool().Servers[0].Health != health; time.Sleep(30 * time.Millisecond) {
		if time.Now().After(by) {
			e.t.Fatalf("the server is %s, want %s", e.pool().Servers[0].Health, health)
		}
	}
}
