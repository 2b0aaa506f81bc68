package http1

import (
	"fmt"
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

// Every length that is written, read or compared holds at the borders of 31, 32 and 63 bits: what is cut to 32 bits is a smuggled request.
func TestLengthsAtTheBordersOfIntegers(t *testing.T) {
	for _, n := range []uint64{0, 1, 15, 16, 1 << 14, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<36 + 5, 1 << 52} {
		head := string(AppendChunkHead(nil, int(n)))
		if want := fmt.Sprintf("%x\r\n", n); head != want {
			t.Errorf("a chunk of %d bytes is announced as %q, want %q", n, head, want)
		}
		if n == 0 {
			continue
		}
		var c Chunked
		data, _, fault := c.Decode([]byte(head + "x"))
		if fault != nil || data != 1 || c.Announced() != int64(n) {
			t.Errorf("a chunk of %d bytes is read as %d, %d bytes of data: %v", n, c.Announced(), data, fault)
		}
		if got, framing, fault := lengthOf(t, fmt.Sprint(n)); fault != nil || framing != message.FramingLength || got != int64(n) {
			t.Errorf("Content-Length: %d is read as %d: %v", n, got, fault)
		}
	}
	for _, digits := range []string{"8000000000000000", "ffffffffffffffff", "10000000000000000", "100000000000000001"} {
		var c Chunked
		if _, _, fault := c.Decode([]byte(digits + "\r\nx")); fault == nil {
			t.Errorf("a chunk of %s bytes is taken for %d", digits, c.Total)
		}
	}
	for _, digits := range []string{"9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551617", "100000000000000000000000"} {
		if got, _, fault := lengthOf(t, digits); fault == nil {
			t.Errorf("Content-Length: %s is taken for %d", digits, got)
		}
	}
}

func lengthOf(t *testing.T, digits string) (int64, message.Framing, *Fault) {
	t.Helper()
	var r message.Request
	n, fault := ParseRequest([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "+digits+"\r\n\r\n"), &r, nil)
	if fault == nil && n == 0 {
		t.Fatal("the head is not whole")
	}
	return r.Length, r.Framing, fault
}
