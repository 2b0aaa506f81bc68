package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/test/memory"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// world is a weir in memory: clients and servers are pipes, time is fake.
type world struct {
	t       *testing.T
	engine  *engine.Engine
	driver  *Driver
	http    *HTTP
	route   *site.Route
	servers map[string]func(c net.Conn) // by address: what a server does with a connection
	dials   []string
	within  time.Duration           // how long the last of them may take
	wrap    func(net.Conn) net.Conn // around weir's end of connections to servers; nil: none
	network func() error            // what becomes of an attempt to connect to a server; nil: it succeeds. Connections are those of package memory then
}

// inWorld runs f in fake time with a route "*" to the servers of a pool, asked in order of their addresses.
func inWorld(t *testing.T, servers map[string]func(net.Conn), f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, servers: servers}
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Dial: w.dial, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		w.engine = e
		w.driver = NewDriver(e)
		cfg := pool.Config{Name: "servers", Loops: 1, Balance: pool.BalanceConfig{Policy: "first"}}
		for i := range len(servers) {
			cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: fmt.Sprintf("10.0.0.%d:80", i+1)})
		}
		path, err := site.ParsePathPattern("/*")
		if err != nil {
			t.Fatal(err)
		}
		w.route = &site.Route{Site: "*", Pattern: "/*", Name: "* /*", Match: site.Match{Path: path}, Response: 60 * time.Second, Identity: &filter.Identity{},
			Stream: 24 * time.Hour, Tunnel: time.Minute, Retries: 2, BodyLimit: 1 << 20, Destination: &site.Destination{Pool: pool.New(cfg, nil),
				Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 1)}}
		index, _ := site.NewIndex([]site.Spec{{Pattern: "*", Routes: []*site.Route{w.route}}})
		w.http = w.driver.NewHTTP(&Setup{Listener: "test", Sites: index, Header: 10 * time.Second, Body: 30 * time.Second,
			Send: 30 * time.Second, Idle: 75 * time.Second})
		f(w)
		w.pass(time.Hour) // every state has a deadline: what still waits after it is a leak that synctest reports
		e.Close()
	})
}

// seen guards what tests look at and servers write.
var seen sync.Mutex

// pass lets time pass, and waits until nothing happens any more. What the test has looked at or set before was so before, and what it looks at then has been.
func (w *world) pass(d time.Duration) {
	w.order()
	time.Sleep(d)
	synctest.Wait()
	w.order()
}

// order puts what the loop and servers have done, or will do, into an order with what the test does.
func (w *world) order() {
	seen.Lock()
	seen.Unlock()
	w.engine.Loops()[0].Call(func() {})
}

func (w *world) dial(a engine.Address, timeout time.Duration) (net.Conn, error) {
	seen.Lock()
	w.dials, w.within = append(w.dials, a.IP.Addr().String()), timeout
	seen.Unlock()
	serve := w.servers[a.IP.Addr().String()]
	if serve == nil {
		return nil, fmt.Errorf("connect: connection refused")
	}
	var ours, theirs net.Conn
	if w.network == nil {
		ours, theirs = net.Pipe()
	} else {
		if err := w.network(); err != nil {
			return nil, err
		}
		ours, theirs = memory.NewConn()
	}
	go func() {
		defer theirs.Close()
		serve(theirs)
	}()
	if w.wrap != nil {
		ours = w.wrap(ours)
	}
	return ours, nil
}

// client is a client's end of a connection to weir.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (w *world) client() *client {
	ours, theirs := net.Pipe()
	w.engine.ServeConn(theirs, w.engine.Loops()[0], w.http)
	return &client{ours, w.t, bufio.NewReader(ours)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Errorf("the client cannot send: %v", err)
	}
}

// answer reads one response; its body is read whole.
func (c *client) answer(method string) (status int, body string, head http.Header) {
	c.t.Helper()
	req, _ := http.NewRequest(method, "/", nil)
	res, err := http.ReadResponse(c.r, req)
	if err != nil {
		c.t.Errorf("no answer: %v", err)
		return 0, "", nil
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Errorf("the body ends with %v", err)
	}
	return res.StatusCode, string(b), res.Header
}

// answers reads up to the final response: the status, Link and body of each.
func (c *client) answers() string {
	c.t.Helper()
	var all []string
	for status := 0; status < 200 && !c.t.Failed(); {
		var body string
		var head http.Header
		status, body, head = c.answer("GET")
		all = append(all, fmt.Sprint(status, " ", head.Get("Link"), body))
	}
	return strings.Join(all, ", ")
}

// want reads one response and compares.
func (c *client) want(what string, status int, body string) http.Header {
	c.t.Helper()
	got, text, head := c.answer("GET")
	if got != status || body != "*" && text != body {
		c.t.Errorf("%s: got %d %q, want %d %q", what, got, text, status, body)
	}
	return head
}

// wantEnd expects that weir has closed the connection.
func (c *client) wantEnd(what string) {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Errorf("%s: the connection is open and has byte %q", what, b)
	}
}

// plain answers every request with its own target, or what the script says for it.
func plain(script map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			if answer, ok := script[req.URL.Path]; ok {
				if answer == "" {
					return // closes without a word
				}
				io.WriteString(c, answer)
				continue
			}
			text := req.Method + " " + req.URL.RequestURI() + string(body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nServer: secret\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	}
}

func servers(list ...func(net.Conn)) map[string]func(net.Conn) {
	m := map[string]func(net.Conn){}
	for i, s := range list {
		m[fmt.Sprintf("10.0.0.%d", i+1)] = s
	}
	return m
}

const get = "GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n"

func getting(target string) string { return strings.Replace(get, "%s", target, 1) }
