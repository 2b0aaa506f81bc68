package quic

import (
	"sync"
	"time"

	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
)

// account is the budget of a connection for what its peer makes weir do for nothing. The goroutine that reads a frame pays for it at once, before it does anything for it, and stops
// reading when the budget is exhausted: a loop that is busy, or behind with what was posted to it, must not be the one to notice a flood. The zero account is full. Guarded by mu.
type account struct {
	mu     sync.Mutex
	budget http2.Budget
	began  time.Time
}

// now is the account's clock, in milliseconds: a loop's may be read on the loop alone. With mu held.
func (a *account) now() int64 {
	if a.began.IsZero() {
		a.began = time.Now()
	}
	return 1 + time.Since(a.began).Milliseconds()
}

func (a *account) spend(g http2.Glitch) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget.Spend(g, a.now())
}

func (a *account) spendExpansion(decoded, received int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget.SpendExpansion(decoded, received, a.now())
}

// earn gives back for an exchange that came to its end.
func (a *account) earn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.budget.Earn()
}

// earnWorth gives back for a frame with much content.
func (a *account) earnWorth() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.budget.EarnWorth()
}

// spend takes from the peer's budget. Without budget the connection is closed, spend returns false, and nothing further is to be read from it. Any goroutine may call it.
func (c *Conn) spend(g http2.Glitch) bool {
	return c.account.spend(g) || c.exhausted(g)
}

// spendData takes from the peer's budget what a DATA frame of so many bytes costs. What a server streams may be any number of tiny frames. It returns what spend does.
func (c *Conn) spendData(length uint64) bool {
	switch {
	case length == 0:
		return c.spend(http2.GlitchEmpty)
	case c.toServer:
	case length < http2.TinyData:
		return c.spend(http2.GlitchTiny)
	case length >= http2.WorthData:
		c.account.earnWorth()
	}
	return true
}

// spendExpansion takes from the peer's budget what a head costs that is much larger than it was sent. It returns what spend does.
func (c *Conn) spendExpansion(l *http2.Layout, received int) bool {
	decoded := l.Decoded()
	return decoded <= 2*received || c.account.spendExpansion(decoded, received) || c.exhausted(http2.GlitchExpansion)
}

// exhausted closes a connection that has no budget left for g; it returns false.
func (c *Conn) exhausted(g http2.Glitch) bool {
	c.fail(http3.ExcessiveLoad, "budget_"+g.String())
	return false
}
