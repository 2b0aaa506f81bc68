package health

import (
	"context"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// checker asks one server again and again. state belongs to its goroutine.
type checker struct {
	pool   string
	server *pool.Server
	config atomic.Pointer[Config]
	stop   context.CancelFunc
	first  atomic.Int32 // what the first check found: 0 nothing yet, 1 it passed, -1 it failed
	state  state
	turn   uint // of the source, by checks
}

// run asks until ctx ends: first after delay, then every Every, more or less.
func (c *checker) run(ctx context.Context, delay time.Duration, m *Monitor) {
	c.state.health = c.server.Health() // what an earlier check found still holds
	var kept net.Conn
	defer func() {
		if kept != nil {
			kept.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		config := *c.config.Load()
		p := probe{Config: config, pool: c.pool, server: c.server, dial: m.config.Dial, turn: c.turn, kept: kept}
		c.turn++
		err := p.run(ctx)
		kept = p.kept
		if ctx.Err() != nil {
			return
		}
		c.first.CompareAndSwap(0, map[bool]int32{true: 1, false: -1}[err == nil])
		before := c.state.health
		if c.state.take(config, err == nil) {
			m.publish(ctx, Change{Pool: c.pool, Server: c.server, From: before, To: c.state.health, Err: err})
		}
		delay = config.next()
	}
}

// next is the time to the next check, varied so that the checks of many proxies do not fall together.
func (c Config) next() time.Duration {
	return time.Duration(float64(c.Every) * (1 + c.Jitter*(2*rand.Float64()-1)))
}
