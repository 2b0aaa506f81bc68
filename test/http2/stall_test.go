package http2

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Clients that ask for much and take nothing cost no more memory than is set aside for the beginnings of their answers, and hold nobody else up.
func TestStalledWindowsHoldLittle(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 100_000)) }))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	good := newGoodClients(t, w)
	good.watch(300 * time.Millisecond)
	before := w.resident()
	for i := range 8 {
		c := w.dial(w.clear)
		c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(i % 2)}) // none, or a byte
		for range 128 {
			if _, err := c.open(true, get("/")...); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(500 * time.Millisecond)
	l := good.watch(time.Second)
	grown := w.resident() - before
	t.Logf("1,024 stalled streams: resident %+d kB; %d requests of good clients, p99 %v", grown, l.asked, l.p99)
	if l.failed > 0 || l.asked == 0 || grown > 64<<10 {
		t.Errorf("%d of %d requests of good clients failed; resident %+d kB", l.failed, l.asked, grown)
	}
}

// What one stream does not take, the others of its connection get.
func TestAStreamThatIsNotReadDoesNotStopTheOthers(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 200_000)) }))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	c := w.dial(w.clear)
	c.WriteWindowUpdate(0, 1<<30)
	for range 20 {
		if _, err := c.open(true, get("/")...); err != nil { // whose windows are never opened again
			t.Fatal(err)
		}
	}
	id, _ := c.open(true, get("/")...)
	if a, err := c.await(id); err != nil || len(a.body) != 200_000 {
		t.Errorf("%d bytes, %v", len(a.body), err)
	}
}
