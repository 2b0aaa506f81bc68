package http1

import (
	"strings"
	"testing"
)

func TestTrailersAreCollectedWhole(t *testing.T) {
	const body = "3\r\nabc\r\n0\r\nA: 1\r\nContent-Length: 5\r\nB:  2 \r\n\r\nGET"
	for size := 1; size <= len(body); size++ {
		for _, collect := range []bool{true, false} {
			c := Chunked{Collect: collect}
			rest := ""
			for text := body; text != "" && !c.IsDone(); {
				n := min(size, len(text))
				_, consumed, fault := c.Decode([]byte(text[:n]))
				if fault != nil {
					t.Fatal(fault)
				}
				text = text[consumed:]
				rest = text
			}
			want := ""
			if collect {
				want = "A: 1\r\nContent-Length: 5\r\nB:  2 \r\n"
			}
			if string(c.Trailers) != want || rest != "GET" {
				t.Fatalf("in pieces of %d: %q, and %q is left", size, c.Trailers, rest)
			}
		}
	}
	all := func([]byte) bool { return true }
	if got := string(AppendTrailers(nil, []byte("A: 1\r\nContent-Length: 5\r\nB:  2 \r\n"), all)); got != "A: 1\r\nB:  2 \r\n" {
		t.Errorf("passes %q", got)
	}
}

func TestTrailerSectionsAreBounded(t *testing.T) {
	for lines, want := range map[int]*Fault{maxTrailerLines: nil, maxTrailerLines + 1: FaultTrailer} {
		var c Chunked
		if _, _, fault := c.Decode([]byte("0\r\n" + strings.Repeat("A: 1\r\n", lines) + "\r\n")); fault != want {
			t.Errorf("%d lines: %v, want %v", lines, fault, want)
		}
	}
}

func TestSomeFieldsMayNotTrail(t *testing.T) {
	for name, want := range map[string]bool{"X-Checksum": true, "ETag": true, "Server-Timing": true, "Digest": true, "Grpc-Status": true,
		"Content-Length": false, "transfer-encoding": false, "Host": false, "Trailer": false, "TE": false, "Connection": false, "Authorization": false,
		"Cookie": false, "Set-Cookie": false, "X-Forwarded-For": false, "X-FORWARDED-User": false, "X_Forwarded_For": false, "Content-Md5": false,
		"Cache-Control": false, "Vary": false, "Date": false, "Location": false, "Max-Forwards": false, "Range": false, "": false, "a b": false} {
		if got := MayTrail([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
