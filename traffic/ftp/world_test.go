package ftp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/tls"
)

// The machines of the tests. weir has an address towards each side.
var (
	clientAt = netip.MustParseAddr("10.0.1.7")
	frontAt  = netip.MustParseAddr("10.0.1.1")
	backAt   = netip.MustParseAddr("10.0.2.1")
)

const serverAt, otherAt = "10.0.2.9:21", "10.0.2.10:21"

// world is an FTP listener whose connections are all in memory, in fake time.
type world struct {
	t        *testing.T
	engine   *engine.Engine
	driver   *tunnel.Driver
	tunnels  *tunnel.Tunnels
	handler  serving
	way      *tunnel.Way // to serverAt
	other    *tunnel.Way // to otherAt
	identity stdtls.Certificate

	mu       sync.Mutex
	doors    map[uint16]*door
	dialed   []string            // where weir has connected to, besides control connections
	far      map[string]net.Conn // the other ends of these
	commands []string            // that servers got
	answers  map[string]string   // to these, or to their verbs
	ports    uint16
	server   func(c net.Conn) // in place of serve; nil: none
}

// in runs a test in a world that change has prepared.
func in(t *testing.T, change func(w *world, s *Setup), f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, doors: map[uint16]*door{}, far: map[string]net.Conn{}, ports: 50_000, answers: map[string]string{
			"USER": "331 Password", "PASS": "230 In", "QUIT": "221 Bye", "PORT": "200 OK", "EPRT": "200 OK", "AUTH": "234 Go on", "PBSZ": "200 OK", "PROT": "200 OK",
			"PASV": "227 Entering Passive Mode (192,168,7,7,200,10)", "EPSV": "229 Extended (|||51210|)", "NOOP": "200 OK",
			"FEAT": "211-Features:\r\n MDTM\r\n AUTH SSL\r\n EPSV\r\n211 End", "RETR": "150 Opening", "SYST": "215 UNIX"}}
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf, Dial: w.dial, Door: w.open})
		if err != nil {
			t.Fatal(err)
		}
		w.engine, w.way, w.other = e, wayTo(serverAt), wayTo(otherAt)
		w.driver = tunnel.NewDriver(e, []*accesslog.Ring{accesslog.NewRing(1 << 16)})
		setup := &Setup{Greeting: "Hello", Idle: 5 * time.Minute, Data: time.Minute}
		if change != nil {
			change(w, setup)
		}
		way := w.way
		if setup.Users != nil {
			way = setup.Users[""]
		}
		w.tunnels = w.driver.NewTunnels(&tunnel.Setup{Listener: "test", Protocol: accesslog.TCP, Way: way, Talker: setup})
		w.handler = serving{w.tunnels, way}
		f(w)
		time.Sleep(time.Hour) // whatever still waits has an end
		synctest.Wait()
		e.Each(func(l *engine.Loop) {
			if open, buffers := w.driver.Stats(0).Open, l.BuffersOut(); open != 0 || buffers != 0 {
				t.Errorf("%d sessions and %d buffers are left", open, buffers)
			}
		})
		for port, d := range w.doors {
			if !d.isClosed() {
				t.Errorf("port %d is still open", port)
			}
		}
		e.Close()
	})
}

func wayTo(address string) *tunnel.Way {
	p := pool.New(pool.Config{Name: address, Loops: 1, Balance: pool.BalanceConfig{Policy: "first"}, Eject: pool.EjectConfig{Off: true},
		Servers: []pool.ServerConfig{{Address: address}}}, nil)
	return &tunnel.Way{Connect: time.Second, Idle: time.Minute, To: &site.Destination{Pool: p, Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 1)}}
}

// terms are those of a listener with a certificate that is made for the test.
func (w *world) terms() *tls.Terms {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"ftp.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.identity = stdtls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return tls.NewTerms(tls.NewPolicy("test", stdtls.VersionTLS12, nil, func(*stdtls.ClientHelloInfo) (*stdtls.Certificate, error) { return &w.identity, nil }), nil, false)
}

// ends is a connection in memory between two addresses.
type ends struct {
	net.Conn
	local, remote net.Addr
}

func (e ends) LocalAddr() net.Addr  { return e.local }
func (e ends) RemoteAddr() net.Addr { return e.remote }

// cable connects weir, at the first address, with another machine. The first connection is weir's.
func cable(weir, other netip.AddrPort) (net.Conn, net.Conn) {
	a, b := net.Pipe()
	near, far := net.TCPAddrFromAddrPort(weir), net.TCPAddrFromAddrPort(other)
	return ends{a, near, far}, ends{b, far, near}
}

// dial is how weir connects.
func (w *world) dial(a engine.Address, _ time.Duration) (net.Conn, error) {
	own := backAt
	if a.IP.Addr() == clientAt {
		own = frontAt
	}
	near, far := cable(netip.AddrPortFrom(own, 40_000), a.IP)
	if a.IP.Port() == 21 && w.server != nil {
		go w.server(far)
		return near, nil
	}
	if a.IP.Port() == 21 {
		go w.serve(a.IP.String(), far)
		return near, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialed = append(w.dialed, a.IP.String())
	w.far[a.IP.String()] = far
	return near, nil
}

// serve is a server: it greets, keeps what it is told, and answers.
func (w *world) serve(name string, c net.Conn) {
	defer c.Close()
	c.Write([]byte("220-Ours\r\n220 is secret\r\n"))
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(line, " ")
		w.mu.Lock()
		said := line
		if name != serverAt {
			said = name + ": " + line
		}
		w.commands = append(w.commands, said)
		answer, known := w.answers[line]
		if !known {
			answer, known = w.answers[verb]
		}
		w.mu.Unlock()
		if !known {
			answer = "502 Not known"
		}
		if answer == "" {
			continue
		}
		if _, err := c.Write([]byte(answer + "\r\n")); err != nil {
			return
		}
		if verb == "AUTH" {
			s := stdtls.Server(c, &stdtls.Config{Certificates: []stdtls.Certificate{w.identity}})
			if s.Handshake() != nil {
				return
			}
			c, r = s, bufio.NewReader(s)
		}
	}
}

// told is what servers were told since it was last asked.
func (w *world) told() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.commands
	w.commands = nil
	return list
}

// door is a port of weir's that is open in memory.
type door struct {
	at     netip.AddrPort
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
	by     time.Time
}

func (w *world) open(at netip.AddrPort) (engine.Door, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	port := at.Port()
	if port == 0 {
		w.ports++
		port = w.ports
	}
	if d := w.doors[port]; d != nil && !d.isClosed() {
		return nil, errors.New("in use")
	}
	d := &door{at: netip.AddrPortFrom(at.Addr(), port), queue: make(chan net.Conn, 10), closed: make(chan struct{})}
	w.doors[port] = d
	return d, nil
}

func (d *door) Accept() (net.Conn, error) {
	timer := time.NewTimer(time.Until(d.by))
	defer timer.Stop()
	select {
	case c := <-d.queue:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	case <-timer.C:
		return nil, os.ErrDeadlineExceeded
	}
}

func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

func (d *door) Addr() net.Addr                { return net.TCPAddrFromAddrPort(d.at) }
func (d *door) SetDeadline(t time.Time) error { d.by = t; return nil }

func (d *door) isClosed() bool {
	select {
	case <-d.closed:
		return true
	default:
		return false
	}
}

// enter connects to a port of weir's.
func (w *world) enter(port uint16, from netip.Addr) net.Conn {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	d := w.doors[port]
	w.mu.Unlock()
	if d == nil {
		w.t.Fatalf("port %d is not open", port)
	}
	near, far := cable(d.at, netip.AddrPortFrom(from, 6000))
	d.queue <- near
	synctest.Wait()
	return far
}

// client is one who speaks FTP with weir.
type client struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

// connect begins a session and hears the greeting.
func (w *world) connect() *client {
	w.t.Helper()
	c := w.begin()
	c.hears("220 Hello")
	return c
}

func (w *world) begin() *client {
	w.t.Helper()
	near, far := cable(netip.AddrPortFrom(frontAt, 21), netip.AddrPortFrom(clientAt, 5000))
	w.engine.ServeConn(near, w.engine.Loops()[0], w.handler)
	return &client{w.t, far, bufio.NewReader(far)}
}

type serving struct {
	tunnels *tunnel.Tunnels
	way     *tunnel.Way
}

func (s serving) Serve(c engine.Conn) { s.tunnels.Serve(c, s.way, tunnel.Opened{}) }

func (c *client) says(text string) {
	c.t.Helper()
	if _, err := c.c.Write([]byte(text + "\r\n")); err != nil {
		c.t.Errorf("%s: %v", text, err)
	}
}

// line is the next line that weir says; "" when the session has ended.
func (c *client) line() string {
	line, _ := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n")
}

func (c *client) hears(want ...string) {
	c.t.Helper()
	for _, line := range want {
		if got := c.line(); got != line {
			c.t.Errorf("the client hears %q, want %q", got, line)
		}
	}
}

// asks is says and hears.
func (c *client) asks(command, answer string) {
	c.t.Helper()
	c.says(command)
	c.hears(strings.Split(answer, "\n")...)
}

func (c *client) secure() {
	s := stdtls.Client(c.c, &stdtls.Config{InsecureSkipVerify: true})
	if err := s.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.c, c.r = s, bufio.NewReader(s)
}

// wantTold compares what servers were told.
func (w *world) wantTold(want ...string) {
	w.t.Helper()
	if got := w.told(); !slices.Equal(got, want) {
		w.t.Errorf("the server is told %q, want %q", got, want)
	}
}

// wantEnd compares why the session has ended.
func (w *world) wantEnd(why reason.Reason) {
	w.t.Helper()
	synctest.Wait()
	w.engine.Each(func(*engine.Loop) {
		if s := w.driver.Stats(0); s.Reasons[why] != 1 {
			w.t.Errorf("%d sessions have ended as %s", s.Reasons[why], why)
		}
	})
}
