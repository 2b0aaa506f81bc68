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
