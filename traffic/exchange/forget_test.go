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
			if x.setup != nil || x.route != nil || x.destination != nil || x.server != nil || x.load != nil || x.session != nil || x.local != (localAnswer{}) ||
				x.stay != (stay{}) || x.tried != (pool.Tried{}) || x.own.Conn != nil || x.own.Terms.Limits != nil {
				t.Errorf("it keeps %+v, %+v, %v", x.setup, x.route, x.server)
			}
		}
		c.Close()
	})
}
