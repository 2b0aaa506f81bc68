package faults

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A stop that cut no request and no tunnel says nothing of cuts, though connections were open that had not begun one.
func TestAStopThatCutsNothingSaysSo(t *testing.T) {
	for name, begun := range map[string]string{"nothing": "", "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
			for range 3 {
				c := dial(t, r.front)
				defer c.Close()
				io.WriteString(c, begun)
			}
			before := r.pid()
			time.Sleep(100 * time.Millisecond) // they have come
			for range 2 {                      // the second one does not wait
				syscall.Kill(before, syscall.SIGTERM)
				time.Sleep(50 * time.Millisecond)
			}
			within(t, 10*time.Second, "weir to stop", func() bool { return strings.Contains(r.said.String(), "msg=stopped") })
			if said := r.said.String(); strings.Contains(said, "were cut") || strings.Contains(said, "WARN") {
				t.Errorf("it says:\n%s", tail(said, 5))
			}
		})
	}
}
