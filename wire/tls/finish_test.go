package tls

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// together is a connection that sends what was written to it in one piece.
type together struct {
	net.Conn
	isHolding bool
	held      bytes.Buffer
}

func (c *together) Write(p []byte) (int, error) {
	if c.isHolding {
		return c.held.Write(p)
	}
	return c.Conn.Write(p)
}

// send sends it. CloseWrite has left a deadline that has passed.
func (c *together) send() { c.Conn.SetWriteDeadline(time.Time{}); c.Conn.Write(c.held.Bytes()) }

// waiter reads what comes, and rests between reads.
type waiter struct {
	size  int
	got   []byte
	ended chan<- []byte
}

func (w *waiter) Serve(c engine.Conn) {
	c.SetReadTimeout(5 * time.Second)
	b := make([]byte, w.size)
	n, err := c.Read(b)
	w.got = append(w.got, b[:n]...)
	switch {
	case err == io.EOF:
		w.ended <- w.got
		c.Close()
	case err != nil:
		w.ended <- []byte(err.Error())
		c.Close()
	default:
		c.Await(w)
	}
}

// first makes a waiter for each connection.
type first struct {
	size  int
	ended chan<- []byte
}

func (f first) Serve(c engine.Conn) { (&waiter{size: f.size, ended: f.ended}).Serve(c) }

// The end of what a peer says is seen when it has come together with the last bytes, in one record or several, whatever the size of the reads, and no TCP FIN follows.
func TestAnEndThatComesWithTheLastBytes(t *testing.T) {
	cert, trusted := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		for _, size := range []int{1, 2, 16 << 10} {
			ended := make(chan []byte, 1)
			address := listen(t, e, &tls.Config{Certificates: []tls.Certificate{cert}}, first{size, ended})
			for _, records := range [][]int{{1}, {1, 1}, {1, 1, 1}, {2}, {4}, {1, 5}, {1, 2}, {1, 100}, {5, 1}, {3, 3, 3}} {
				raw, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				conn := &together{Conn: raw}
				client := tls.Client(conn, &tls.Config{RootCAs: trusted, ServerName: "localhost"})
				if err := client.Handshake(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond) // it rests
				conn.isHolding = true
				var want []byte
				for i, n := range records {
					record := bytes.Repeat([]byte{byte('a' + i)}, n)
					client.Write(record)
					want = append(want, record...)
				}
				client.CloseWrite()
				conn.send()
				select {
				case got := <-ended:
					if !bytes.Equal(got, want) {
						t.Errorf("reads of %d, records %v: %.50q", size, records, got)
					}
				case <-time.After(3 * time.Second):
					t.Fatalf("reads of %d, records %v: the end is not seen", size, records)
				}
				raw.Close()
			}
		}
	})
}
