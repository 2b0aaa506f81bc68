package exchange

import (
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

func TestAnotherPoolAnswersWhileNoServerIsWell(t *testing.T) {
	inWorld(t, servers(plain(map[string]string{"/": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"}),
		plain(map[string]string{"/": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"})), func(w *world) {
		d := w.route.Destination
		d.Pool = pool.New(pool.Config{Name: "first", Loops: 1, Servers: []pool.ServerConfig{{Address: "10.0.0.1:80"}}}, nil)
		d.Fallback = &site.Destination{Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 1),
			Pool: pool.New(pool.Config{Name: "second", Loops: 1, Servers: []pool.ServerConfig{{Address: "10.0.0.2:80"}}}, nil)}
		c := w.client()
		ask := func(want string) {
			t.Helper()
			c.send(getting("/"))
			c.want("a request", 200, want)
		}
		ask("first")
		d.Pool.Set().Servers[0].SetHealth(pool.Down)
		ask("second")
		d.Pool.Set().Servers[0].SetHealth(pool.Up)
		ask("first")
		if n := d.Loops[0].FellBack; n != 1 {
			t.Errorf("%d requests fell back, want 1", n)
		}
		d.Pool.Set().Servers[0].SetHealth(pool.Down)
		d.Fallback.Pool.Set().Servers[0].SetHealth(pool.Down)
		c.send(getting("/"))
		c.want("with no server of either", 503, "*")
		c.Close()
	})
}

func TestARoutesOwnRetryBudgetCountsForIt(t *testing.T) {
	closing := plain(map[string]string{"/": ""})
	inWorld(t, servers(closing, plain(nil)), func(w *world) {
		w.route.Budgets = pool.NewBudgets(pool.RetryConfig{Share: -1, PerSecond: -1}, 1)
		c := w.client()
		c.send(getting("/"))
		c.want("a route without retries to pay for", 502, "*")
		c.Close()
		w.route.Budgets = pool.NewBudgets(pool.RetryConfig{Share: 1}, 1)
		c = w.client()
		c.send(getting("/"))
		c.want("a route that can pay", 200, "GET /")
		c.Close()
	})
}
