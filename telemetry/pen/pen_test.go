package pen

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLinesAreWrittenInOrder(t *testing.T) {
	var mu sync.Mutex
	var got bytes.Buffer
	p := New(func(lines []byte) { mu.Lock(); got.Write(lines); mu.Unlock() }, func() {})
	for range 1000 {
		p.Put([]byte("a\n"))
		p.Put([]byte("b\n"))
	}
	if !p.Flush(5 * time.Second) {
		t.Fatal("not written")
	}
	p.Close(time.Second)
	mu.Lock()
	defer mu.Unlock()
	if got.String() != strings.Repeat("a\nb\n", 1000) || p.Lost() != 0 {
		t.Errorf("%d bytes, %d lost", got.Len(), p.Lost())
	}
}

func TestAStuckDestinationHoldsNobodyAndABoundedAmount(t *testing.T) {
	stuck, entered := make(chan struct{}), make(chan struct{}, 1)
	p := New(func([]byte) { entered <- struct{}{}; <-stuck }, func() {})
	defer close(stuck)
	p.Put([]byte("first\n"))
	<-entered
	line := bytes.Repeat([]byte("x"), 1<<10)
	line[len(line)-1] = '\n'
	dropped := uint64(0)
	for range 2 * Most / len(line) {
		if !p.Put(line) {
			dropped++
		}
	}
	if dropped == 0 || p.Lost() != dropped {
		t.Errorf("%d dropped, %d counted", dropped, p.Lost())
	}
	if p.Flush(time.Millisecond) {
		t.Error("what waits counts as written")
	}
	at := time.Now()
	p.Close(10 * time.Millisecond)
	if took := time.Since(at); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	if want := uint64(2 * Most / len(line)); p.Lost() != want {
		t.Errorf("%d of %d lines counted", p.Lost(), want)
	}
}

func TestMessagesAreWrittenAtOnceAndNotWaitedForWhenStuck(t *testing.T) {
	var got bytes.Buffer
	w, done := Messages(&got)
	io.WriteString(w, "hello\n")
	if got.String() != "hello\n" {
		t.Errorf("%q", got.String())
	}
	done()
	reader, writer := io.Pipe()
	w, done = Messages(writer)
	at := time.Now()
	for range 1000 {
		io.WriteString(w, "nobody reads this\n")
	}
	done()
	if took := time.Since(at); took > 2*time.Second {
		t.Errorf("1000 messages took %v", took)
	}
	reader.Close()
}
