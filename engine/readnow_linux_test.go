package engine

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

func TestReadNowTakesWhatHasArrivedInOrder(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	type result struct {
		got        []byte
		now, waits int
	}
	done := make(chan result, 1)
	c := dial(t, listen(t, e, handlerFunc(func(c Conn) {
		var r result
		defer func() { c.Close(); done <- r }()
		space, plain := make([]byte, 4000), make([]byte, 100)
		for {
			parts := [][]byte{space[:10], space[10:1500], space[1500:1507], space[1507:]}
			for n := ReadNow(c, parts); n > 0; n = ReadNow(c, parts) {
				r.now += n
				r.got = append(r.got, space[:n]...)
			}
			r.waits++
			n, err := c.Read(plain)
			r.got = append(r.got, plain[:n]...)
			if err != nil {
				if err != io.EOF {
					t.Error(err)
				}
				return
			}
		}
	})))
	random := rand.New(rand.NewChaCha8([32]byte{7}))
	sent := make([]byte, 300_000)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	for left := sent; len(left) > 0; {
		n := min(len(left), 1+random.IntN(9_000))
		c.Write(left[:n])
		left = left[n:]
		if random.IntN(3) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	c.Close()
	r := <-done
	if !bytes.Equal(r.got, sent) {
		t.Errorf("%d bytes, or others than the %d that were sent", len(r.got), len(sent))
	}
	if r.now < len(sent)/2 || r.waits > len(sent)/1000 {
		t.Errorf("%d of %d bytes were taken without a wait, and %d waits were needed", r.now, len(sent), r.waits)
	}
}

func TestReadNowLeavesOtherConnectionsToRead(t *testing.T) {
	var c struct{ Conn }
	if MayReadNow(c) || ReadNow(c, [][]byte{make([]byte, 10)}) != 0 {
		t.Error("took from what is no bare socket")
	}
}
