package faults

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

const limitedServer = `
listeners:
  front: { address: "FRONT" }
pools:
  web: { servers: [{ address: "SERVER", max_connections: 3 }], queue: { wait: 10s } }
sites:
  "*": web
admin: "ADMIN"
logs: { access: off }
`

// counting is a web server that counts its connections and the requests it has at once.
func counting(t *testing.T, takes time.Duration) (address string, connections, requests *atomic.Int32) {
	t.Helper()
	var open, under atomic.Int32
	connections, requests = new(atomic.Int32), new(atomic.Int32)
	raise := func(most *atomic.Int32, n int32) {
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
	}
	s := &http.Server{
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				raise(connections, open.Add(1))
			case http.StateClosed:
				open.Add(-1)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raise(requests, under.Add(1))
			time.Sleep(takes)
			under.Add(-1)
			fmt.Fprint(w, "ok")
		}),
	}
	return peers.ServeHTTP(t, s), connections, requests
}

func TestALimitOfConnectionsHoldsOverAllLoops(t *testing.T) {
	address, connections, requests := counting(t, 5*time.Millisecond)
	s := start(t, strings.ReplaceAll(limitedServer, "SERVER", address))
	const clients, each = 40, 20
	var group sync.WaitGroup
	errs := make(chan error, clients*each)
	for range clients {
		c := dial(t, s.address["FRONT"])
		group.Go(func() {
			for range each {
				if err := c.ok("/"); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	// A connection that weir has closed may be open at the server for a moment longer.
	if n := requests.Load(); n > 3 {
		t.Errorf("%d requests at once, want at most 3", n)
	}
	if n := connections.Load(); n > 6 {
		t.Errorf("%d connections at once, want at most 3 and those that are just being closed", n)
	}
	st := s.status()
	server, queue := st.Pools[0].Servers[0], st.Pools[0].Queue
	t.Logf("%d requests over %d connections opened, %d waited; at most %d connections and %d requests at once", server.Requests,
		server.Connections.Opened, queue.Queued, connections.Load(), requests.Load())
	// A loop that has none takes over another's: without that one is closed and another opened for every fifteenth request.
	if server.Connections.Opened > 10 {
		t.Errorf("%d connections were opened", server.Connections.Opened)
	}
	if server.Requests != clients*each || server.Connections.Open > 3 || queue.Queued == 0 || queue.Waiting != 0 {
		t.Errorf("the status says %+v, %+v", server, queue)
	}
}
