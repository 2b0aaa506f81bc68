package faults

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// edit replaces a part of the configuration.
func (r *replaceable) edit(old, by string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "weir.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		r.t.Fatalf("the configuration has no %q", old)
	}
	r.write("weir.yaml.next", strings.Replace(string(text), old, by, 1))
	if err := os.Rename(filepath.Join(r.dir, "weir.yaml.next"), filepath.Join(r.dir, "weir.yaml")); err != nil {
		r.t.Fatal(err)
	}
}

// reload has the process that serves reload, and waits until it has.
func (r *replaceable) reload() {
	r.t.Helper()
	done, not := strings.Count(r.said.String(), reloaded), strings.Count(r.said.String(), refused)
	if err := syscall.Kill(r.pid(), syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	within(r.t, 10*time.Second, "the reload", func() bool {
		if strings.Count(r.said.String(), refused) > not {
			r.t.Fatal("the reload is refused")
		}
		return strings.Count(r.said.String(), reloaded) > done
	})
}

// packetEcho sends each datagram back, with where it came from; one that is late only after a while.
func packetEcho(t *testing.T) string {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			answer := []byte(string(b[:n]) + " from " + from.String())
			if strings.HasPrefix(string(b[:n]), "late") {
				time.AfterFunc(700*time.Millisecond, func() { server.WriteTo(answer, from) })
				continue
			}
			server.WriteTo(answer, from)
		}
	}()
	return server.LocalAddr().String()
}

// packetClient asks over UDP, always from the same port. Its function returns where the server has heard it from.
func packetClient(t *testing.T, to string) func() (from string, err error) {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n := 0
	return func() (string, error) {
		n++
		question := fmt.Sprint("question ", n)
		if _, err := c.Write([]byte(question)); err != nil {
			return "", err
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		b := make([]byte, 100)
		m, err := c.Read(b)
		said, from, _ := strings.Cut(string(b[:m]), " from ")
		if err == nil && said != question {
			err = fmt.Errorf("%q was answered by %q", question, b[:m])
		}
		return from, err
	}
}

// late asks for what is answered after a while. What is returned waits for that.
func late(t *testing.T, when, to string) (await func()) {
	t.Helper()
	return lateOf(t, when, lateClient(t, to))
}

func lateClient(t *testing.T, to string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// lateOf is late of a client that may have asked before.
func lateOf(t *testing.T, when string, c net.Conn) (await func()) {
	t.Helper()
	if _, err := c.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the server has it
	return func() {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, err := c.Read(make([]byte, 100)); err != nil {
			t.Errorf("%s: the answer to a question before that: %v", when, err)
		}
	}
}

// answered fails unless a client that was there, and twenty new ones, are. It returns where the server has heard the first from.
func answered(t *testing.T, when, to string, known func() (string, error)) (from string) {
	t.Helper()
	for range 3 {
		var err error
		if from, err = known(); err != nil {
			t.Errorf("%s: a client that was there: %v", when, err)
		}
	}
	for range 20 {
		if _, err := packetClient(t, to)(); err != nil {
			t.Errorf("%s: a new client: %v", when, err)
			return from
		}
	}
	return from
}

// replacedTimes has so many processes leave, each with a request that goes on. What is returned waits for these.
func (r *replaceable) replacedTimes(n int, request func() error) (await func()) {
	r.t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := request(); err != nil {
				r.t.Errorf("a request of a process that leaves: %v", err)
			}
		})
		time.Sleep(200 * time.Millisecond) // it is under way
		r.replace("exec")
	}
	return all.Wait
}

// A listener for datagrams may go, come back and move, while processes that were replaced still have requests: what they have of its address is in nobody's way.
func TestAListenerOfUDPMayChangeWhileReplacedProcessesLeave(t *testing.T) {
	for _, replaced := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(replaced, " replaced"), func(t *testing.T) {
			r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
			at, err := peers.FreeAddress()
			if err != nil {
				t.Fatal(err)
			}
			everywhere := strings.Replace(at, "127.0.0.1", "0.0.0.0", 1)
			r.edit("\npools: {", fmt.Sprintf("\npools: { names: { servers: [%q] },", packetEcho(t)))
			listener := func(address string) string {
				return fmt.Sprintf("\n  names: { address: %q, protocol: udp, pool: names }\npools:", address)
			}
			r.edit("\npools:", listener(at))
			r.reload()
			known := packetClient(t, at)
			flow := answered(t, "at first", at, known)
			goesOn := func(when string) {
				t.Helper()
				if now := answered(t, when, at, known); now != flow {
					t.Errorf("%s: the server hears the client from %s, at first from %s", when, now, flow)
				}
			}
			await := r.replacedTimes(replaced, func() error { return keepAlive(t, r.front, "/drip/120/100ms")()() })
			defer await()
			goesOn("after the replacements")

			asked := late(t, "back again", at)
			r.edit(listener(at), "\npools:")
			r.reload()
			time.Sleep(100 * time.Millisecond)
			r.edit("\npools:", listener(at))
			r.reload()
			asked()
			goesOn("back again")

			both := lateClient(t, at) // has a flow of either move
			lateOf(t, "before a move", both)()
			asked = late(t, "moved to all addresses", at)
			r.edit(listener(at), listener(everywhere))
			r.reload()
			asked()
			answered(t, "moved to all addresses", at, known) // by another loop, it may be, and then another flow
			asked = late(t, "moved back", at)
			r.edit(listener(everywhere), listener(at))
			r.reload()
			asked()
			lateOf(t, "moved back", both)()
			answered(t, "moved back", at, known)

			asked = lateOf(t, "moved to all addresses again", both)
			r.edit(listener(at), listener(everywhere))
			r.reload()
			asked()
			answered(t, "moved to all addresses again", at, known)
			r.edit(listener(everywhere), listener(at))
			r.reload()
			answered(t, "moved back again", at, known)

			r.edit(listener(at), "\npools:")
			r.reload()
			r.edit("\npools:", listener(everywhere))
			r.reload()
			answered(t, "moved in two steps", at, known)
		})
	}
}

// So may one of HTTP/3: the requests of all processes go on, and every packet finds the process that it is for.
func TestAListenerOfHTTP3MayChangeWhileReplacedProcessesLeave(t *testing.T) {
	for _, replaced := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(replaced, " replaced"), func(t *testing.T) {
			r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
			within(t, 5*time.Second, "HTTP/3", func() bool { return overHTTP3(t, r.secure, "/")()() == nil })
			var own sync.WaitGroup
			await := r.replacedTimes(replaced, overHTTP3(t, r.secure, "/drip/120/100ms")())
			slow := overHTTP3(t, r.secure, "/drip/60/100ms")()
			own.Go(func() {
				if err := slow(); err != nil {
					t.Errorf("a request of the process that serves: %v", err)
				}
			})
			time.Sleep(200 * time.Millisecond)
			text, _ := os.ReadFile(filepath.Join(r.dir, "weir.yaml"))
			_, after, _ := strings.Cut(string(text), "\n  secure:")
			listener, _, _ := strings.Cut(after, "\n")
			listener = "\n  secure:" + listener + "\n"
			for round := range 3 {
				r.edit(listener, "\n")
				r.reload()
				time.Sleep(300 * time.Millisecond)
				r.edit("\npools:", listener+"pools:")
				r.reload()
				for i := range 20 {
					if err := overHTTP3(t, r.secure, "/")()(); err != nil {
						t.Errorf("round %d: new client %d: %v", round, i, err)
						break
					}
				}
			}
			own.Wait()
			await()
		})
	}
}

// One that moves to all addresses is served there as soon as the requests of its former address have ended.
func TestAListenerOfHTTP3MovesWhenItsRequestsHaveEnded(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	within(t, 5*time.Second, "HTTP/3", func() bool { return overHTTP3(t, r.secure, "/")()() == nil })
	awaitHTTP1 := r.replacedTimes(1, func() error { return keepAlive(t, r.front, "/drip/150/100ms")()() })
	awaitHTTP3 := r.replacedTimes(1, overHTTP3(t, r.secure, "/drip/60/100ms")())
	r.edit(r.secure, strings.Replace(r.secure, "127.0.0.1", "0.0.0.0", 1))
	r.reload()
	awaitHTTP3()
	within(t, 3*time.Second, "HTTP/3 at the new address", func() bool { return overHTTP3(t, r.secure, "/")()() == nil })
	for i := range 20 {
		if err := overHTTP3(t, r.secure, "/")()(); err != nil {
			t.Errorf("new client %d: %v", i, err)
		}
	}
	awaitHTTP1()
}
