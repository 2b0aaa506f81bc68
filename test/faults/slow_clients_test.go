package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// slowEach is the number of slow clients of each kind.
const slowEach = 1000

func TestSlowClientsAreCutAndHurtNobody(t *testing.T) {
	web := origin(t, "web")
	s := start(t, `
listeners:
  front: { address: "FRONT", timeouts: { header: 2s, body: 2s, send: 5s, idle: 30s } }
pools:
  web: { servers: ["`+web+`"] }
sites:
  "*": web
  taken.test: { "/*": { pool: web, buffer: { request: 128KiB } } }
admin: "ADMIN"
logs: { access: off }
`)
	good := run(8, 20*time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	// The slow clients, their servers and the good clients share this process and two cores with weir. Clients that ask the server without
	// weir, at the same time, see what that alone does.
	direct := run(8, 20*time.Millisecond, keepAlive(t, web, "/"))
	time.Sleep(2 * time.Second)
	quiet := good.p99()
	direct.p99()

	var all sync.WaitGroup
	wrong := make(chan error, 4*slowEach)
	begin := func(k *slowKind, i int) {
		source := fmt.Sprintf("127.0.%d.%d", 10+i%4, 1+i%200)
		all.Go(func() {
			if err := k.client(source, s.address["FRONT"]); err != nil {
				wrong <- fmt.Errorf("slow %s from %s: %w", k.name, source, err)
			}
		})
	}
	// Until a client's window and weir's send buffer are full, its answer is moved as fast as any other. Only from then on are they slow, and
	// only from then on is measured what they do to the good ones. The answers are larger than what the system takes for a client that does
	// not read, and together smaller than its memory for TCP: beyond that it drops what servers send, and the exchanges wait for servers.
	for i := range slowEach {
		begin(&slowReading, i)
		time.Sleep(3 * time.Millisecond)
	}
	within(t, 3*time.Second, "the slow readers to be many", func() bool { return s.status().Exchanges.Active > slowEach/2 })
	good.p99()
	direct.p99()
	for i := range slowEach {
		begin(&slowHeader, i)
		begin(&pausingBody, i)
		if i < slowEach/10 {
			begin(&tricklingBody, i)
		}
		time.Sleep(3 * time.Millisecond)
	}
	all.Wait()
	close(wrong)
	beside, machine := good.p99(), direct.p99()
	x := s.status().Exchanges
	t.Logf("how they ended: %v", x.Reasons)
	if x.Active > 16 || x.Reasons["client.deliver.stalled"] != slowEach {
		t.Errorf("%d of %d clients that do not read were cut, %d exchanges are still under way", x.Reasons["client.deliver.stalled"], slowEach, x.Active)
	}
	good.end(t)
	direct.end(t)
	n := 0
	for err := range wrong {
		if n++; n <= 5 {
			t.Error(err)
		}
	}
	if n > 5 {
		t.Errorf("and %d more", n-5)
	}
	t.Logf("p99 of good clients: %v before and %v beside %d slow clients; %v beside them without weir", quiet, beside, 3*slowEach, machine)
	// On two cores a good client, weir and the server wait for each other's time slices, 4 ms each at 250 Hz: one of them is the
	// machine's, and a client that harms others costs them hundreds.
	if most := 3*max(quiet, machine) + 5*time.Millisecond; beside > most {
		t.Errorf("good clients' p99: %v beside the slow ones, want at most %v", beside, most)
	}
}

// A slowKind is a client that begins a request, goes on in drops, and waits for what weir says to that.
type slowKind struct {
	name   string
	begin  string
	drop   string
	every  time.Duration
	answer string // what weir says before it closes; "" for a client that does not read
	most   time.Duration
}

var (
	slowReading = slowKind{"reading", "GET /size/1500000 HTTP/1.1\r\nHost: slow.test\r\n\r\n", "", 0, "", 16 * time.Second}
	slowHeader  = slowKind{"header", "GET / HTTP/1.1\r\nHost: slow.test\r\nX-", "a", 400 * time.Millisecond, "HTTP/1.1 408 ", 6 * time.Second}
	pausingBody = slowKind{"body that pauses", "POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 1000\r\n\r\nab", "", 0,
		"HTTP/1.1 408 ", 6 * time.Second}
	// No pause of it is too long: weir takes it before it asks a server, and the least rate of such a body ends it, after 10 s.
	tricklingBody = slowKind{"body that trickles", "POST / HTTP/1.1\r\nHost: taken.test\r\nContent-Length: 100000\r\n\r\nab", "c",
		500 * time.Millisecond, "HTTP/1.1 408 ", 14 * time.Second}
)

func (k *slowKind) client(source, address string) error {
	// A small receive buffer, set before the connection is made: what the client does not take must not vanish in the system.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	c, err := d.DialContext(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	began := time.Now()
	c.SetDeadline(began.Add(k.most))
	if _, err := io.WriteString(c, k.begin); err != nil {
		return err
	}
	if k.answer == "" {
		// It takes nothing until long after it must have been cut; weir's own account says whether it was.
		time.Sleep(10 * time.Second)
		return nil
	}
	if k.drop != "" {
		go func() {
			for time.Sleep(k.every); ; time.Sleep(k.every) {
				if _, err := io.WriteString(c, k.drop); err != nil {
					return
				}
			}
		}()
	}
	// A reset may follow the answer, since drops still come.
	text, err := io.ReadAll(c)
	if !strings.HasPrefix(string(text), k.answer) {
		return fmt.Errorf("after %v: %q, %v", time.Since(began), text, err)
	}
	return nil
}
