package ftp

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/test/walk"
	"github.com/weir-proxy/weir/traffic/tunnel"
)

// event is something that a session's client or server does, or a machine on a data connection.
type event struct {
	name string
	does func(p *players)
}

// players are the client and the server of a walk, with the data connections that stand.
type players struct {
	w      *world
	client net.Conn
	server net.Conn   // nil: weir has not connected yet
	data   []net.Conn // the ends that are not weir's
}

// write writes what is taken at once: a walk goes on in any case.
func write(c net.Conn, text string) {
	if c != nil {
		c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		io.WriteString(c, text)
	}
}

func says(text string) event {
	return event{"client: " + strings.TrimSpace(text), func(p *players) { write(p.client, text) }}
}

func repliesOf(text string) event {
	return event{"server: " + strings.TrimSpace(text), func(p *players) { write(p.server, text) }}
}

// enters connects to a port that weir has opened, if there is one.
func (p *players) enters(from netip.Addr) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for port := p.w.ports; port > 50_000; port-- {
		d := p.w.doors[port]
		if d.isClosed() {
			continue
		}
		near, far := cable(d.at, netip.AddrPortFrom(from, 6000))
		select {
		case d.queue <- near:
			p.takes(far)
		default:
		}
		return
	}
}

func (p *players) takes(c net.Conn) {
	p.data = append(p.data, c)
	go io.Copy(io.Discard, c)
}

// onData does something on all data connections, those among them that weir has opened.
func (p *players) onData(do func(c net.Conn)) {
	p.w.mu.Lock()
	for at, c := range p.w.far {
		delete(p.w.far, at)
		p.takes(c)
	}
	p.w.mu.Unlock()
	for _, c := range p.data {
		do(c)
	}
}

func events() []event {
	list := []event{
		{"client: enters", func(p *players) { p.enters(clientAt) }},
		{"server: enters", func(p *players) { p.enters(netip.MustParseAddr("10.0.2.9")) }},
		{"a stranger enters", func(p *players) { p.enters(netip.MustParseAddr("10.9.9.9")) }},
		{"data", func(p *players) { p.onData(func(c net.Conn) { write(c, "content") }) }},
		{"the data end", func(p *players) { p.onData(func(c net.Conn) { c.Close() }) }},
		{"client: closes", func(p *players) { p.client.Close() }},
		{"server: closes", func(p *players) {
			if p.server != nil {
				p.server.Close()
			}
		}},
		{"a second", func(*players) { time.Sleep(time.Second) }},
		{"a minute", func(*players) { time.Sleep(61 * time.Second) }},
		{"six minutes", func(*players) { time.Sleep(6 * time.Minute) }},
	}
	for _, text := range []string{"USER a\r\n", "PASS b\r\n", "PASV\r\n", "EPSV\r\n", "EPSV ALL\r\n", "PORT 10,0,1,7,19,136\r\n", "EPRT |1|10.0.1.7|5000|\r\n", "RETR f\r\n", "STOR f\r\n",
		"\xff\xf4\xff\xf2ABOR\r\n", "STAT\r\n", "FEAT\r\n", "AUTH TLS\r\n", "REIN\r\n", "QUIT\r\n", "NO", "OP\r\n", "\x00\r\n", "PASV\r\nPASV\r\nRETR f\r\n", strings.Repeat("x", 5000)} {
		list = append(list, says(text))
	}
	for _, text := range []string{"220 Ours\r\n", "227 Entering (10,0,2,9,200,10)\r\n", "229 Extended (|||51210|)\r\n", "200 OK\r\n", "150 Opening\r\n", "226 Done\r\n", "331 Password\r\n", "230 In\r\n",
		"425 No\r\n", "421 Leaving\r\n", "211-Features:\r\n", " EPSV\r\n211 End\r\n", "22", "\x00\r\n", "226 Done\r\n226 Done\r\n", strings.Repeat("y", 5000)} {
		list = append(list, repliesOf(text))
	}
	for i := range list { // long ones have short names
		list[i].name = list[i].name[:min(len(list[i].name), 40)]
	}
	return list
}

// ways are how a session comes to its states; each is followed by every event.
var ways = []string{
	"",
	"server: 220 Ours",
	"server: 220 Ours; client: PASV",
	"server: 220 Ours; client: PASV; server: 227 Entering (10,0,2,9,200,10)",
	"server: 220 Ours; client: PASV; server: 227 Entering (10,0,2,9,200,10); client: enters",
	"server: 220 Ours; client: PASV; server: 227 Entering (10,0,2,9,200,10); client: enters; client: RETR f; server: 150 Opening",
	"server: 220 Ours; client: PASV; server: 227 Entering (10,0,2,9,200,10); client: enters; client: RETR f; server: 150 Opening; data; server: 226 Done",
	"server: 220 Ours; client: PASV; server: 227 Entering (10,0,2,9,200,10); client: STOR f; server: 425 No",
	"server: 220 Ours; client: PORT 10,0,1,7,19,136; server: 200 OK",
	"server: 220 Ours; client: PORT 10,0,1,7,19,136; server: 200 OK; client: RETR f; server: enters; server: 150 Opening",
	"server: 220 Ours; client: PORT 10,0,1,7,19,136; server: 200 OK; client: RETR f; server: enters; server: 150 Opening; data; the data end",
	"server: 220 Ours; client: FEAT; server: 211-Features:",
	"server: 220 Ours; client: USER a; server: 331 Password; client: PASS b",
	"server: 220 Ours; client: QUIT",
}

// take has the events happen one after the other. Whatever they are, weir's own code may not panic, and once both have closed their connections nothing is left of the session.
func take(t *testing.T, events []event, greets bool) {
	p := &players{}
	in(t, func(w *world, s *Setup) {
		p.w = w
		w.server = func(c net.Conn) {
			p.server = c
			io.Copy(io.Discard, c)
		}
		if greets {
			s.Users = map[string]*tunnel.Way{"": w.way, "a": w.way}
		}
	}, func(w *world) {
		p.client = w.begin().c
		go io.Copy(io.Discard, p.client)
		synctest.Wait()
		var names []string
		for _, e := range events {
			names = append(names, e.name)
			e.does(p)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		p.client.Close()
		time.Sleep(10 * time.Minute)
		w.engine.Each(func(l *engine.Loop) {
			if l.Stats.Panics != 0 || l.Stats.Open != 0 || l.Held() != 0 || w.driver.Stats(0).Open != 0 {
				t.Errorf("%d panics, %d connections, %d bytes and %d sessions after %s", l.Stats.Panics, l.Stats.Open, l.Held(), w.driver.Stats(0).Open, strings.Join(names, "; "))
			}
			for _, s := range w.way.To.Pool.Set().Servers {
				if n := s.Load(0).InFlight; n != 0 {
					t.Errorf("%d sessions in flight after %s", n, strings.Join(names, "; "))
				}
			}
		})
		p.onData(func(c net.Conn) { c.Close() })
		if p.server != nil {
			p.server.Close()
		}
	})
}

func TestEveryEventInEveryState(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	walks := walk.Walks[event]{Events: events(), Name: func(e event) string { return e.name }, Ways: ways, Random: 1500, Longest: 10}
	walks.Each(t, r, func(events []event) { take(t, events, r.IntN(2) == 0) })
}
