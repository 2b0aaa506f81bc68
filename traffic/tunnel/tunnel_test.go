package tunnel

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
)

type relay struct{}

func (r relay) Serve(c engine.Conn) {
	to, err := c.Loop().Dial(engine.Address{}, engine.DialOptions{})
	if err != nil {
		panic(err)
	}
	Relay(c, to, time.Minute)
	to.Close()
	c.Close()
}

func TestPeerThatDoesNotReadEndsTheTunnelRatherThanLoseBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, far := net.Pipe()
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf,
			Dial: func(engine.Address, time.Duration) (net.Conn, error) { return server, nil }})
		if err != nil {
			t.Fatal(err)
		}
		client, near := net.Pipe()
		e.ServeConn(near, e.Loops()[0], relay{})
		go io.WriteString(client, "first") // far does not read it
		go func() {                        // while the way back is alive
			for range 20 {
				io.WriteString(far, "x")
				time.Sleep(10 * time.Second)
			}
		}()
		go io.Copy(io.Discard, client)
		time.Sleep(2 * time.Minute)
		go io.WriteString(client, "second")
		got, _ := io.ReadAll(far)
		if len(got) > 0 {
			t.Errorf("got %q behind bytes that were dropped", got)
		}
		far.Close()
		time.Sleep(time.Hour)
		e.Close()
	})
}
