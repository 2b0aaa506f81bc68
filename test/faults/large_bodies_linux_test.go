package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// hugeSize is beyond what 31 and 32 bits and a body_limit of 2GiB hold.
const hugeSize = 2<<30 + 100<<20 + 7

// hugeRoutes have limits around it.
const hugeRoutes = `
listeners: { front: { address: "FRONT" } }
sites:
  "*":
    /open/*: { servers: ["SERVER"], body_limit: 3GiB }
    /limited/*: { servers: ["SERVER"], body_limit: 2GiB }
    /small/*: { servers: ["SERVER"], body_limit: 20MiB }
admin: "ADMIN"
logs: { access: off }
`

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pieces yields n bytes that differ from place to place, none of which is kept.
type pieces struct {
	left int64
	sum  uint32
	buf  []byte
}

func newPieces(n int64) *pieces {
	p := &pieces{left: n, buf: make([]byte, 1<<20)}
	for i := range p.buf {
		p.buf[i] = byte(i>>8 ^ i*7)
	}
	return p
}

// WriteTo writes them all.
func (p *pieces) WriteTo(w io.Writer) (total int64, err error) {
	for p.left > 0 {
		b := p.buf[:min(p.left, int64(len(p.buf)))]
		b[0]++
		p.sum = crc32.Update(p.sum, castagnoli, b)
		n, err := w.Write(b)
		total += int64(n)
		p.left -= int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// sink counts and sums what it is given.
type sink struct {
	n   int64
	sum uint32
}

func (s *sink) Write(b []byte) (int, error) {
	s.n += int64(len(b))
	s.sum = crc32.Update(s.sum, castagnoli, b)
	return len(b), nil
}

func (s *sink) String() string { return fmt.Sprintf("%d bytes, sum %08x", s.n, s.sum) }

// hugeServer says what it received of a POST, and sends hugeSize bytes for a GET. It counts requests, and bodies that were cut.
func hugeServer(t *testing.T) (address string, requests, cuts *atomic.Int32) {
	t.Helper()
	requests, cuts = new(atomic.Int32), new(atomic.Int32)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Method == "POST" {
			got := &sink{}
			if _, err := io.CopyBuffer(got, onlyReader{r.Body}, make([]byte, 1<<20)); err != nil {
				cuts.Add(1)
				panic(http.ErrAbortHandler)
			}
			io.WriteString(w, got.String())
			return
		}
		p := newPieces(hugeSize)
		if !strings.HasSuffix(r.URL.Path, "chunked") {
			w.Header().Set("Content-Length", strconv.Itoa(hugeSize))
		}
		p.WriteTo(w)
	})}
	return peers.ServeHTTP(t, s), requests, cuts
}

// onlyReader hides that a body can be written to somewhere else.
type onlyReader struct{ io.Reader }

// post sends a head and n bytes, framed as the head says, and returns the answer and how it ended; one that comes before the body is all is read.
func post(t *testing.T, address, head string, n int64) (status int, body string) {
	t.Helper()
	c := dial(t, address)
	c.SetDeadline(time.Now().Add(60 * time.Second))
	go func() {
		if _, err := io.WriteString(c, head); err != nil {
			return
		}
		p := newPieces(n)
		if !strings.Contains(head, "chunked") {
			p.WriteTo(c)
			return
		}
		if _, err := p.WriteTo(chunking{c}); err == nil {
			io.WriteString(c, "0\r\n\r\n")
		}
	}()
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// chunking frames each piece.
type chunking struct{ io.Writer }

func (c chunking) Write(b []byte) (int, error) {
	_, err := (&net.Buffers{fmt.Appendf(nil, "%x\r\n", len(b)), b, []byte("\r\n")}).WriteTo(c.Writer)
	return len(b), err
}

// sumOf is what a sink says that got n pieces.
func sumOf(n int64) string {
	s := &sink{}
	newPieces(n).WriteTo(s)
	return s.String()
}

func TestBodiesOfMoreThanTwoGibibytesPassInLittleMemory(t *testing.T) {
	server, requests, cuts := hugeServer(t)
	s := start(t, strings.ReplaceAll(hugeRoutes, "SERVER", server))
	front := s.address["FRONT"]
	before := peak(t, s.Pid())
	want := sumOf(hugeSize)

	begun := time.Now()
	if status, body := post(t, front, fmt.Sprintf("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", hugeSize), hugeSize); status != 200 || body != want {
		t.Errorf("upload: %d %s, want %s", status, body, want)
	}
	t.Logf("upload of known length: %v", time.Since(begun))

	begun = time.Now()
	if status, body := post(t, front, "POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", hugeSize); status != 200 || body != want {
		t.Errorf("chunked upload: %d %s, want %s", status, body, want)
	}
	t.Logf("upload in chunks: %v", time.Since(begun))

	for _, path := range []string{"/open/length", "/open/chunked"} {
		begun = time.Now()
		c := dial(t, front)
		c.SetDeadline(time.Now().Add(60 * time.Second))
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		response, err := http.ReadResponse(bufio.NewReaderSize(c, 1<<20), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := &sink{}
		if _, err := io.CopyBuffer(got, onlyReader{response.Body}, make([]byte, 1<<20)); err != nil || got.String() != want {
			t.Errorf("download of %s: %s, want %s (%v)", path, got, want, err)
		}
		t.Logf("download of %s: %v", path, time.Since(begun))
	}
	if grown := peak(t, s.Pid()) - before; grown > 32<<20 {
		t.Errorf("weir took %d MiB more for it", grown>>20)
	} else {
		t.Logf("weir took %d KiB more for it", grown>>10)
	}

	// A length beyond the limit is answered before a server is asked; so is one of which the client awaits the permission to send.
	had := requests.Load()
	for _, head := range []string{"", "Expect: 100-continue\r\n"} {
		if status, _ := post(t, front, fmt.Sprintf("POST /limited/x HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n", head, hugeSize), 0); status != 413 {
			t.Errorf("more than the limit: %d", status)
		}
	}
	if n := requests.Load() - had; n != 0 {
		t.Errorf("the server has seen %d requests that are too large", n)
	}
	// Of chunks, nobody knows before the limit is reached. The server must not take what it got for the whole.
	if status, _ := post(t, front, "POST /small/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 30<<20); status != 413 {
		t.Errorf("chunks beyond the limit: %d", status)
	}
	within(t, 5*time.Second, "the server to see the body cut", func() bool { return cuts.Load() == 1 })
	if status, body := post(t, front, "POST /small/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 20<<20); status != 200 || body != sumOf(20<<20) {
		t.Errorf("chunks up to the limit: %d %s", status, body)
	}
}

// peak is the most memory, in bytes, that the process has had.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, err := strconv.ParseInt(string(bytes.Fields(after)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
