package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A listener that a reload brings back before its drain limit goes on: what it carries is not cut at that limit, and none of its new connections is taken for one that is to end.
func TestAListenerThatIsBackCutsNothing(t *testing.T) {
	echoes, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echoes.Close() })
	go func() {
		for {
			c, err := echoes.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	with := fmt.Sprintf(`
listeners:
  kept: "unix:DIR/kept.sock"
  front: { address: "FRONT", timeouts: { drain: 1s } }
  second: { address: "SECOND", protocol: tcp, pool: echo, timeouts: { drain: 1s } }
pools:
  web: { servers: [%q] }
  echo: { servers: [%q] }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, origin(t, "web"), echoes.Addr())
	var without strings.Builder
	for line := range strings.Lines(with) {
		if !strings.Contains(line, "drain: 1s") {
			without.WriteString(line)
		}
	}
	s := start(t, with)
	front := s.address["FRONT"]
	var all sync.WaitGroup
	goesOn := func(what string, request func() error) {
		all.Go(func() {
			if err := request(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	goesOn("HTTP/1.1", keepAlive(t, front, "/drip/50/100ms")())
	goesOn("HTTP/2", func() error { return overClearHTTP2(front, "/drip/50/100ms", 50*1024) })
	tunnel, err := net.Dial("tcp", s.address["SECOND"])
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	goesOn("a tunnel", func() error { return echoed(tunnel, 50, 100*time.Millisecond) })
	time.Sleep(200 * time.Millisecond) // they are under way
	for round := range 3 {
		s.write(without.String())
		s.reload(reloaded)
		time.Sleep(300 * time.Millisecond)
		// One that is refused after it has opened the addresses leaves the listeners draining.
		s.write(strings.Replace(with, "access: off", "access: DIR/nowhere/access.log", 1))
		s.reload(refused)
		s.write(with)
		s.reload(reloaded)
		for i := range 50 {
			if err := newConnections(front, "/")()(); err != nil {
				t.Errorf("round %d: new client %d: %v", round, i, err)
			}
		}
	}
	all.Wait()
	if log := s.log(); strings.Contains(log, "were cut") {
		t.Error("something was cut")
	}
}

// overClearHTTP2 asks for a response of a size, by prior knowledge.
func overClearHTTP2(address, path string, size int) error {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://" + address + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && len(body) != size {
		err = fmt.Errorf("%d bytes, want %d", len(body), size)
	}
	return err
}

// echoed sends a word so many times, and waits for each.
func echoed(c net.Conn, times int, pause time.Duration) error {
	for i := range times {
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, "word"); err != nil {
			return fmt.Errorf("word %d: %w", i, err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			return fmt.Errorf("word %d: %w", i, err)
		}
		time.Sleep(pause)
	}
	return nil
}
