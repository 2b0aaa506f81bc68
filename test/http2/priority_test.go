package http2

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// RFC 9218: the urgent answer comes before the others of its connection, and those that are of use in parts take turns.
func TestAnswersComeInTheOrderOfTheirUrgency(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 300_000)) }))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	for name, c := range map[string]struct {
		priorities []string
		update     bool // the last is changed by PRIORITY_UPDATE to the most urgent
		first      int  // which answer is complete first; -1: the parts are mixed
	}{
		"urgency":          {[]string{"u=5", "u=5", "u=1"}, false, 2},
		"priority update":  {[]string{"u=5", "u=5", "u=5"}, true, 2},
		"one after other":  {[]string{"u=3", "u=3", "u=3"}, false, 0},
		"incremental":      {[]string{"u=3, i", "u=3, i", "u=3, i"}, false, -1},
		"nothing was said": {[]string{"", "", ""}, false, -1},
	} {
		t.Run(name, func(t *testing.T) {
			k := w.dial(w.clear)
			k.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			var ids []uint32
			for _, p := range c.priorities {
				fields := get("/")
				if p != "" {
					fields = append(fields, "priority: "+p)
				}
				id, err := k.open(true, fields...)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			if c.update {
				k.WriteRawFrame(0x10, 0, 0, append([]byte{0, 0, 0, byte(ids[2])}, "u=0"...))
			}
			time.Sleep(300 * time.Millisecond) // all have something to send, and the connection's window is used up
			k.WriteWindowUpdate(0, 1<<24)
			order, switches := k.order(t, len(ids))
			if c.first >= 0 && order[0] != ids[c.first] {
				t.Errorf("the answers end in the order %v", order)
			}
			if c.first < 0 && switches < 10 {
				t.Errorf("the answers take turns only %d times", switches)
			}
		})
	}
}

// order reads until n streams have ended, and says in which order, and how often the parts of one followed those of another.
func (c *client) order(t *testing.T, n int) (ended []uint32, switches int) {
	t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	last := uint32(0)
	for len(ended) < n {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := f.(*http2.DataFrame); ok {
			if d.StreamID != last {
				last = d.StreamID
				switches++
			}
			if d.StreamEnded() {
				ended = append(ended, d.StreamID)
			}
		}
	}
	return ended, switches
}
