package hostile

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// descriptorsFew are the descriptors that weir has in these tests, and crowd is how many connections attackers open.
const (
	descriptorsFew = 400
	crowd          = 800
)

// withDescriptors starts a program with so many descriptors.
func withDescriptors(n int) []string {
	return []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, n), "sh"}
}

// holds are ways to hold a connection without use for it.
var holds = map[string]func(s *scene) error{
	"one byte of a request": func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "G")
		}
		return err
	},
	"one byte of a TLS handshake": func(s *scene) error {
		c, err := s.dial(s.at["secure"])
		if err == nil {
			_, err = c.Write([]byte{22})
		}
		return err
	},
	"idle after a request": func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	},
	"idle after a TLS handshake": func(s *scene) error {
		_, err := s.dialTLS("http/1.1")
		return err
	},
	"idle after a request by TLS": func(s *scene) error {
		c, err := s.dialTLS("http/1.1")
		if err == nil {
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	},
	"idle after a request by HTTP2": func(s *scene) error {
		a, err := s.http2(1 << 16)
		if err == nil {
			_, err = a.request("/", true)
		}
		return err
	},
	"the preface of HTTP2": func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, http2.ClientPreface)
		}
		return err
	},
	"a body that does not go on": func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx")
		}
		return err
	},
}

// oneAddressConfig lets attackers and good clients have the same address.
var oneAddressConfig = strings.NewReplacer("address: CLEAR", "address: CLEAR, limits: { connections_per_client: off }", "address: SECURE", "address: SECURE, limits: { connections_per_client: off }",
	"address: THIRD", "address: THIRD, limits: { connections_per_client: off }").Replace(hostileConfig)

// Clients that hold more connections than weir has descriptors for do not lock out others, whatever they hold them with.
func TestConnectionsWithoutUseMakeRoom(t *testing.T) {
	for name, open := range holds {
		t.Run(name, func(t *testing.T) {
			w := start(t, strings.ReplaceAll(oneAddressConfig, "ORIGIN", origin(t)), withDescriptors(descriptorsFew)...)
			s := w.scene()
			s.crowd(open)
			defer s.end()
			for i := range 40 {
				if took, err := ask("http://" + s.at["clear"] + "/"); err != nil || took > 8*time.Second {
					t.Fatalf("new client %d: %v after %v", i, err, took)
				}
			}
			w.hasRoomFor(t)
			if w.metric(t, "weir_loop_made_room_total") == 0 {
				t.Error("the metrics say nothing of it")
			}
		})
	}
}

// crowd opens connections, many at the same time, and goes on when weir takes no more.
func (s *scene) crowd(open func(s *scene) error) {
	gate := make(chan struct{}, 64)
	for range crowd {
		gate <- struct{}{}
		go func() {
			defer func() { <-gate }()
			open(s)
		}()
	}
	for range cap(gate) {
		gate <- struct{}{}
	}
}

func (s *scene) end() {
	s.closers.Lock()
	defer s.closers.Unlock()
	for _, f := range s.closing {
		f()
	}
}

// ask asks on a connection of its own.
func ask(url string) (time.Duration, error) {
	at := time.Now()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return time.Since(at), err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	if response.StatusCode != 200 {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return time.Since(at), err
}

// hasRoomFor fails the test if the control plane cannot do its work: reload and status need descriptors of their own.
func (w *world) hasRoomFor(t *testing.T) {
	t.Helper()
	if took, err := ask("http://" + w.at["ADMIN"] + "/readyz"); err != nil || took > 3*time.Second {
		t.Errorf("readyz: %v after %v", err, took)
	}
	text := w.log()
	w.Process.Signal(syscall.SIGHUP)
	within(t, 10*time.Second, "a reload", func() bool { return strings.Contains(w.log()[len(text):], "reload") })
}

// metric is the sum of a metric over its labels.
func (w *world) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	response, err := http.Get("http://" + w.at["ADMIN"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, name) {
			n, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			sum += n
		}
	}
	return sum
}

// A listener that may have few connections ends idle ones for new clients.
func TestIdleConnectionsMakeRoomOnAListener(t *testing.T) {
	config := strings.Replace(hostileConfig, "clear: { address: CLEAR }", "clear: { address: CLEAR, limits: { connections: 40, connections_per_client: off } }", 1)
	w := start(t, strings.ReplaceAll(config, "ORIGIN", origin(t)))
	s := w.scene()
	s.crowd(holds["idle after a request"])
	defer s.end()
	for i := range 40 {
		within(t, 5*time.Second, fmt.Sprintf("new client %d to be served", i), func() bool {
			_, err := ask("http://" + s.at["clear"] + "/")
			return err == nil
		})
	}
}

// A client that has as many connections as one client may have gets no other, whatever the protocol; others do, and it does once some have ended.
func TestConnectionsOfOneClient(t *testing.T) {
	config := strings.Replace(hostileConfig, "clear: { address: CLEAR }", "clear: { address: CLEAR, limits: { connections_per_client: 10 } }", 1)
	config = strings.Replace(config, "protocol: tcp, pool: app }", "protocol: tcp, pool: app, limits: { connections_per_client: 10 } }", 1)
	w := start(t, strings.ReplaceAll(config, "ORIGIN", origin(t)))
	for _, name := range []string{"CLEAR", "THIRD"} {
		s := &scene{at: map[string]string{"clear": w.at[name]}}
		for range 10 {
			c, err := s.dial(s.at["clear"])
			if err == nil {
				_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			}
			if err == nil {
				_, err = c.Read(make([]byte, 1)) // it has been accepted and counted
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		url := "http://" + w.at[name] + "/"
		within(t, 5*time.Second, name+": the client to be refused", func() bool { _, err := ask(url); return err != nil })
		if err := askFrom("127.0.0.7", url); err != nil {
			t.Errorf("%s: another client: %v", name, err)
		}
		s.end()
		within(t, 5*time.Second, "the client to be served again", func() bool { _, err := ask(url); return err == nil })
	}
	if n := w.metric(t, `weir_exchanges_total{reason="weir.read.client_full"`); n == 0 {
		t.Error("the metrics say nothing of it")
	}
}

// askFrom asks from an address.
func askFrom(from, url string) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	response, err := client.Get(url)
	if err == nil {
		response.Body.Close()
	}
	return err
}

// Datagrams from addresses without number, each of which begins a flow with a socket, leave descriptors for HTTP.
func TestFlowsLeaveDescriptorsForHTTP(t *testing.T) {
	echo, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	config := strings.Replace(hostileConfig, "  tunnel: { address: THIRD, protocol: tcp, pool: app }", "  flows: { address: THIRD, protocol: udp, pool: silent }", 1)
	config = strings.Replace(config, "pools: {", "pools: { silent: { servers: [\""+echo.LocalAddr().String()+"\"] },", 1)
	w := start(t, strings.ReplaceAll(config, "ORIGIN", origin(t)), withDescriptors(descriptorsFew)...)
	flood := func() {
		for i := range crowd {
			from := netip.AddrFrom4([4]byte{127, 9, byte(i >> 8), byte(i)})
			c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(w.at["THIRD"])))
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("x"))
			c.Close()
		}
	}
	for i := range 20 {
		flood()
		if took, err := ask("http://" + w.at["CLEAR"] + "/"); err != nil || took > time.Second {
			t.Fatalf("new client %d: %v after %v", i, err, took)
		}
	}
	w.hasRoomFor(t)
}

// Tunnels to servers that say nothing leave descriptors for HTTP too.
func TestTunnelsLeaveDescriptorsForHTTP(t *testing.T) {
	w := start(t, strings.ReplaceAll(oneAddressConfig, "ORIGIN", origin(t)), withDescriptors(descriptorsFew)...)
	s := w.scene()
	s.crowd(func(s *scene) error {
		c, err := s.dial(s.at["tunnel"])
		if err == nil {
			_, err = io.WriteString(c, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	})
	defer s.end()
	for i := range 20 {
		if took, err := ask("http://" + w.at["CLEAR"] + "/"); err != nil || took > time.Second {
			t.Fatalf("new client %d: %v after %v", i, err, took)
		}
	}
	w.hasRoomFor(t)
}

// Requests of one client that all go to a slow server take no more descriptors than leave others theirs, wait for their turn, and what they leave behind makes room.
func TestConnectionsToServersLeaveDescriptorsForClients(t *testing.T) {
	const few = 160
	server := origin(t)
	w := start(t, strings.ReplaceAll(hostileConfig, "ORIGIN", server), withDescriptors(few)...)
	url := "http://" + w.at["CLEAR"]
	much := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{Protocols: new(http.Protocols)}}
	much.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	defer much.CloseIdleConnections()
	var all sync.WaitGroup
	var failed atomic.Int64
	for range 120 {
		all.Go(func() {
			response, err := much.Get(url + "/slow")
			if err == nil {
				response.Body.Close()
			}
			if err != nil || response.StatusCode != 200 {
				failed.Add(1)
				t.Logf("%v %v", response, err)
			}
		})
	}
	time.Sleep(500 * time.Millisecond) // all are on their way
	asked := func(when string) {
		if took, err := ask(url + "/"); err != nil || took > 3*time.Second {
			t.Errorf("%s another client has waited %v: %v", when, took, err)
		}
		w.hasRoomFor(t)
	}
	asked("meanwhile")
	all.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of 120 requests failed", n)
	}
	asked("behind them")
	var stay []net.Conn
	for range 20 { // clients that stay, beside connections to the server that wait for work
		c, err := net.Dial("tcp", w.at["CLEAR"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		stay = append(stay, c)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := c.Read(make([]byte, 10)); n == 0 {
			t.Fatalf("client %d: %v", len(stay), err)
		}
	}
	asked("beside clients that stay")

	// A client whose many requests to a silent server never end takes only what leaves something for others.
	silent := make(chan struct{})
	defer close(silent)
	for range 100 {
		go func() {
			r, _ := http.NewRequest("GET", url+"/hang", nil)
			r.Cancel = silent
			if response, err := much.Do(r); err == nil {
				response.Body.Close()
			}
		}()
	}
	time.Sleep(500 * time.Millisecond)
	for range 10 {
		asked("beside requests that never end")
	}
}
