package layer4

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// sendUrgent sends bytes of which the last is urgent.
func sendUrgent(t *testing.T, c *net.TCPConn, text string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = syscall.Sendto(int(fd), []byte(text), syscall.MSG_OOB, nil)
		return failed != syscall.EAGAIN
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// inline has urgent data read in its place among the others.
func inline(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1) })
	}
}

// A read stops before urgent data, wherever the socket's end is. What comes behind it must go on at once, in both directions and in its order, many times.
func TestUrgentDataStopsNoTunnel(t *testing.T) {
	server := peers.Serve(t, func(c *net.TCPConn) {
		defer c.Close()
		inline(c)
		b := make([]byte, 64<<10)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			sendUrgent(t, c, string(b[:n]))
		}
	})
	front := free(t)
	start(t, t.TempDir(), fmt.Sprintf(`
listeners: { front: { address: %q, protocol: tcp, pool: echo } }
pools: { echo: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, server), front)
	conn, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := conn.(*net.TCPConn)
	inline(c)
	var sent []byte
	for i := range 200 {
		before, urgent, after := fmt.Sprintf("before %d, ", i), fmt.Sprintf("urgent %d!", i), fmt.Sprintf("after %d. ", i)
		io.WriteString(c, before)
		sendUrgent(t, c, urgent)
		io.WriteString(c, after)
		sent = append(sent[:0], before+urgent+after...)
		got := make([]byte, len(sent))
		c.SetReadDeadline(time.Now().Add(3 * time.Second))
		if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d of 200: %q came back of %q: %v", i, got[:n], sent, err)
		}
	}
}
