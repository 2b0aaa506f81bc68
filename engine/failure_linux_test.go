package engine

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// A send that leaves with others is told of the reset before its coroutine goes on; another that reads runs in between.
func TestAResetThatASendOfTheTurnIsToldOfIsNoEnd(t *testing.T) {
	e, err := New(Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	conns, got := make(chan *epollConn, 1), make(chan error, 1)
	peer := dial(t, listen(t, e, handlerFunc(func(c Conn) {
		c.Read(make([]byte, 8))
		conns <- c.(*epollConn)
	})))
	peer.Write([]byte("x"))
	c := <-conns
	c.loop.Call(func() {
		peer.SetLinger(0)
		peer.Close()
		time.Sleep(20 * time.Millisecond) // it arrives before the loop looks
		c.loop.start(handlerFunc(func(c Conn) { c.Write([]byte("y")) }), c, nil)
		if !c.sending {
			t.Error("the send has not waited for others")
		}
		c.loop.sendTogether()
		c.readable = true // as its event says, which may come first
		c.loop.start(handlerFunc(func(c Conn) {
			_, err := c.Read(make([]byte, 8))
			got <- err
			c.Close()
		}), c, nil)
	})
	if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}
