package site

import (
	"bytes"
	"fmt"
	"testing"
)

func TestHintsAreBoundedAndForgotten(t *testing.T) {
	h := NewHints(2)
	h.Learn(0, []byte("/a"), []byte("one"), 0)
	if got := h.Of(0, []byte("/a"), hintsLast-1) + h.Of(1, []byte("/a"), 0) + h.Of(0, []byte("/a"), hintsLast); got != "one" {
		t.Errorf("%q: one loop has it, for its time", got)
	}
	h.Learn(0, []byte("/a"), []byte("one"), hintsLast-1)
	if got := h.Of(0, []byte("/a"), hintsLast+1); got != "one" {
		t.Errorf("%q after it was seen again", got)
	}
	h.Learn(0, []byte("/a"), nil, hintsLast)
	h.Learn(0, []byte("/b"), bytes.Repeat([]byte("x"), HintsMaxSize+1), hintsLast)
	if n := len(h.loops[0].pages); n != 0 {
		t.Errorf("%d pages are kept of which nothing, or too much, is known", n)
	}
	for i := range 10 * hintsMost {
		h.Learn(0, fmt.Appendf(nil, "/%d", i), []byte("x"), int64(i))
	}
	if n := len(h.loops[0].pages); n != hintsMost {
		t.Errorf("%d pages, want %d", n, hintsMost)
	}
	page, lines := []byte("/seen"), []byte("x")
	h.Learn(0, page, lines, 0)
	if n := testing.AllocsPerRun(100, func() { h.Learn(0, page, lines, 1); h.Of(0, page, 1) }); n != 0 {
		t.Errorf("a page that is known costs %v allocations", n)
	}
}
