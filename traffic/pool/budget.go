package pool

// RetryBudget bounds a loop's retries to a share of its requests plus a small floor by time. Owned by its loop.
type RetryBudget struct {
	share  float64 // retries earned by a request
	perMs  float64 // retries earned by a millisecond
	earned float64 // by requests
	floor  float64 // by time
	at     int64   // ms of the last withdrawal
}

// A loop may save up this many retries: enough for all that is in flight on a server that dies, too few to be an attack.
const (
	budgetMax      = 1000
	budgetFloorMax = 10
)

// Budgets is a RetryBudget for each loop, for what has another share than its pool.
type Budgets struct{ of []loopBudget }

type loopBudget struct {
	RetryBudget
	_ [88]byte // keeps loops out of each other's cache lines
}

// NewBudgets makes budgets of a share of the requests, as RetryConfig.
func NewBudgets(c RetryConfig, loops int) *Budgets {
	c = c.withDefaults()
	b := &Budgets{make([]loopBudget, loops)}
	for i := range b.of {
		b.of[i].share, b.of[i].perMs = c.Share, c.PerSecond/1000/float64(loops)
	}
	return b
}

// Of is the loop's own; only that loop may touch it.
func (b *Budgets) Of(loop int) *RetryBudget { return &b.of[loop].RetryBudget }

// Deposit earns for one request; call it once for each exchange, not for each attempt.
func (b *RetryBudget) Deposit() { b.earned = min(b.earned+b.share, budgetMax) }

// Withdraw reports whether one retry may be made now, and takes it from the budget.
func (b *RetryBudget) Withdraw(now int64) bool {
	if b.at == 0 && b.perMs > 0 {
		b.floor = budgetFloorMax // the first requests after a start may meet a dead server too
	}
	b.floor = min(b.floor+float64(now-b.at)*b.perMs, budgetFloorMax)
	b.at = now
	switch {
	case b.floor >= 1:
		b.floor--
	case b.earned >= 1:
		b.earned--
	default:
		return false
	}
	return true
}
