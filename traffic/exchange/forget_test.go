package exchange

import (
	"testing"
	"testing/synctest"

	"github.com/weir-proxy/weir/traffic/pool"
)

func TestExchangesThatWaitForWorkKeepNothingOfASnapshot(t *testing.T) {
	inWorld(t, servers(plain(map[string]string{"/closes": ""}), plain(nil)), func(w *world) {
		c := w.client()
		for _, target := range []string{"/", "/closes", "/moved"} {
			c.send(getting(target))
			c.answer("GET")
		}
		synctest.Wait()
		free := w.driver.loops[0].free
		if len(free) == 0 {
			t.Fatal("no exchange waits for work")
		}
		for _, x := range free {
			if x.setup != nil || x.request.route != nil || x.request.destination != nil || x.attempt.server != nil || x.attempt.load != nil || x.session != nil || x.response.local != (localAnswer{}) ||
				x.attempt.stay != (stay{}) || x.attempt.tried != (pool.Tried{}) || x.attempt.own.Conn != nil || x.attempt.own.Terms.Limits != nil {
				t.Errorf("it keeps %+v, %+v, %v", x.setup, x.request.route, x.attempt.server)
			}
		}
		c.Close()
	})
}
