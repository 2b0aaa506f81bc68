package http3

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	wire "github.com/weir-proxy/weir/wire/http3"
)

// A weir that stops says GOAWAY twice: first that nothing more is to be asked, then up to where it has taken. What was on its way meanwhile is answered, what comes
// after it refused, and what was under way before ends.
func TestGOAWAYComesTwice(t *testing.T) {
	w := newWorld(t)
	conn := w.raw()
	defer conn.CloseWithError(0x100, "")
	under := ask(t, conn, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
	control := controlStream(t, conn)
	if kind, _ := nextFrame(t, control); kind != wire.FrameSettings {
		t.Fatalf("frame %#x comes first", kind)
	}
	time.Sleep(100 * time.Millisecond) // for the request to be taken
	if err := w.weir.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if id := goAway(t, control); id != 1<<62-4 {
		t.Errorf("the first names %d", id)
	}
	onItsWay := ask(t, conn, plain)
	if answer, err := io.ReadAll(onItsWay); err != nil || len(answer) == 0 {
		t.Errorf("a request that was on its way: %d bytes, %v", len(answer), err)
	}
	if id, want := goAway(t, control), uint64(onItsWay.StreamID()+4); id != want {
		t.Errorf("the second names %d, want %d", id, want)
	}
	var reset *quicgo.StreamError
	if _, err := io.ReadAll(ask(t, conn, plain)); !errors.As(err, &reset) || wire.Code(reset.ErrorCode) != wire.RequestRejected {
		t.Errorf("a request after the second: %v", err)
	}
	if conn.Context().Err() != nil {
		t.Error("the connection has ended before its last request")
	}
	under.CancelRead(quicgo.StreamErrorCode(wire.RequestCancelled))
	select {
	case <-conn.Context().Done():
	case <-time.After(5 * time.Second):
		t.Error("the connection stays after its last request")
	}
}

// ask sends a request that has no content.
func ask(t *testing.T, conn *quicgo.Conn, lines string) *quicgo.Stream {
	t.Helper()
	s, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	s.SetDeadline(time.Now().Add(5 * time.Second))
	s.Write(request(lines))
	s.Close()
	return s
}

// controlStream is weir's, after its type.
func controlStream(t *testing.T, conn *quicgo.Conn) *bufio.Reader {
	t.Helper()
	s, err := conn.AcceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.SetReadDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(s)
	if kind, err := r.ReadByte(); err != nil || kind != 0 {
		t.Fatalf("a stream of type %#x: %v", kind, err)
	}
	return r
}

func nextFrame(t *testing.T, r *bufio.Reader) (kind uint64, payload []byte) {
	t.Helper()
	kind, err := varint(r)
	length, err2 := varint(r)
	payload = make([]byte, length)
	_, err3 := io.ReadFull(r, payload)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	return kind, payload
}

func varint(r *bufio.Reader) (uint64, error) {
	first, err := r.Peek(1)
	if err != nil {
		return 0, err
	}
	b, err := r.Peek(1 << (first[0] >> 6))
	if err != nil {
		return 0, err
	}
	v, n := wire.ParseVarint(b)
	r.Discard(n)
	return v, nil
}

// goAway is what the next frame names, which is to be a GOAWAY.
func goAway(t *testing.T, r *bufio.Reader) uint64 {
	t.Helper()
	kind, payload := nextFrame(t, r)
	if kind != wire.FrameGoAway {
		t.Fatalf("frame %#x", kind)
	}
	id, _ := wire.ParseVarint(payload)
	return id
}

// A weir that stops waits until its clients have what they were answered, however slowly they take it.
func TestAStopLetsSlowClientsHaveTheirAnswers(t *testing.T) {
	w := newWorld(t)
	const size, window = 400_000, 32 << 10
	conn, err := quicgo.DialAddr(t.Context(), w.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "localhost"},
		&quicgo.Config{InitialStreamReceiveWindow: window, MaxStreamReceiveWindow: window, InitialConnectionReceiveWindow: window, MaxConnectionReceiveWindow: window})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseWithError(0x100, "")
	s := ask(t, conn, "GET /bytes/400000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.SetDeadline(time.Now().Add(20 * time.Second))
	got, piece := 0, make([]byte, 16<<10)
	for {
		n, err := s.Read(piece)
		if got == 0 && n > 0 {
			w.weir.Signal(syscall.SIGTERM)
		}
		if got += n; err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got < size {
		t.Errorf("%d bytes", got)
	}
	select {
	case <-conn.Context().Done():
	case <-time.After(5 * time.Second):
		t.Error("the connection stays")
	}
}
