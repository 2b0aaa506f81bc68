package admin

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

func TestAClientThatSendsNothingIsNotWaitedFor(t *testing.T) {
	free, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	newBed(t, Config{}, `{ socket: off, address: "`+free+`" }`)
	conn, err := net.Dial("tcp", free)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /status HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", headerMax+8<<10)+"\r\n\r\n")
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("%.100q", answer)
	}
	slow, err := net.Dial("tcp", free)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET /status HTTP/1.1\r\n")
	slow.SetReadDeadline(time.Now().Add(headerTimeout + 5*time.Second))
	if _, err := io.ReadAll(slow); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a head that does not end is waited for")
	}
}

func TestConnectionsOfTheAdminAddressAreBounded(t *testing.T) {
	free, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	newBed(t, Config{}, `{ socket: off, address: "`+free+`" }`)
	held := make([]net.Conn, connectionMax)
	for i := range held {
		if held[i], err = net.Dial("tcp", free); err != nil {
			t.Fatal(err)
		}
		defer held[i].Close()
	}
	io.WriteString(held[1], "GET /healthz HTTP/1.1\r\nHost: a\r\n") // half of a request holds no place either
	for range 2 * connectionMax {
		response, err := http.Get("http://" + free + "/healthz")
		if err != nil {
			t.Fatalf("a monitor is locked out: %v", err)
		}
		response.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		extra, err := net.Dial("tcp", free)
		if err != nil {
			t.Fatal(err)
		}
		defer extra.Close()
	}
	held[0].SetReadDeadline(time.Now().Add(4 * time.Second)) // shorter than headerTimeout
	if _, err := held[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest connection stays open: %v", err)
	}
}

// Requests under way are not ended for others; connections without one are.
func TestRequestsOfTheAdminAddressKeepTheirPlaces(t *testing.T) {
	arrive := make(chan net.Conn)
	l := &limited{Listener: accepting{arrive}}
	taken := make(chan *limitedConn)
	go func() {
		for range connectionMax + 1 {
			c, _ := l.Accept()
			taken <- c.(*limitedConn)
		}
	}()
	var first *limitedConn
	for i := range connectionMax {
		near, far := net.Pipe()
		defer far.Close()
		arrive <- near
		c := <-taken
		c.begin()
		if i == 0 {
			first = c
		}
	}
	near, far := net.Pipe()
	arrive <- near
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection above the limit: %v", err)
	}
	first.end()
	near, far = net.Pipe()
	defer far.Close()
	arrive <- near
	<-taken
	if !first.isClosed || l.open != connectionMax {
		t.Errorf("%d connections are open; the one without a request is closed: %t", l.open, first.isClosed)
	}
}

type accepting struct{ from chan net.Conn }

func (a accepting) Accept() (net.Conn, error) { return <-a.from, nil }
func (a accepting) Close() error              { return nil }
func (a accepting) Addr() net.Addr            { return nil }
