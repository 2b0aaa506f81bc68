package http2

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// What clients made weir hold is given back when they leave, also where they had held it for so long, and so quietly, that a collection in between has found all of it in use.
func TestMemoryThatWasHeldQuietlyIsGivenBack(t *testing.T) {
	const clients, streams = 20, 100
	large := make([]byte, 1<<20)
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(large) }))
	w := newWorld(t, fmt.Sprintf("pools: { app: %q }\nsites: { \"*\": app }\n", at))
	base := w.resident()
	var all []*client
	for range clients {
		c := w.dial(w.clear)
		for range streams {
			if _, err := c.open(true, ":method: GET", ":scheme: http", ":authority: localhost", ":path: /"); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, c)
	}
	time.Sleep(12 * time.Second) // less than timeouts.send
	most := w.resident()
	for _, c := range all {
		c.conn.Close()
	}
	left := most
	for by := time.Now().Add(30 * time.Second); left > base+(most-base)/4 && time.Now().Before(by); left = w.resident() {
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d kB before, %d with %d requests, %d after", base, most, clients*streams, left)
	if most < base+50_000 {
		t.Errorf("only %d kB were held: this tests nothing", most-base)
	}
	if left > base+(most-base)/4 {
		t.Errorf("%d kB before, %d with %d requests, and %d half a minute later", base, most, clients*streams, left)
	}
}
