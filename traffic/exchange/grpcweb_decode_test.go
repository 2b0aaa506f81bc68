package exchange

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// Content is decoded in its place, in pieces of any size: a group may begin in one piece and end in the next.
func TestTextIsDecodedInItsPlace(t *testing.T) {
	want := make([]byte, 1000)
	for i := range want {
		want[i] = byte(i * 31)
	}
	text := []byte(base64.StdEncoding.EncodeToString(want))
	for first := range 40 {
		for rest := 9; rest < 60; rest++ {
			var w webStream
			var got []byte
			buf := make([]byte, 64)
			for left, size := text, first; len(left) > 0; size = rest {
				n := copy(buf[:size], left)
				left = left[n:]
				got = append(got, buf[:w.decode(buf, buf[:n])]...)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("pieces of %d, then %d bytes: the content is spoilt", first, rest)
			}
		}
	}
}
