package pool

import "testing"

func TestRetriesAreAFifthOfRequestsAndAFloor(t *testing.T) {
	p := New(Config{Loops: 1, Servers: servers(1)}, nil)
	b := p.Budget(0)
	b.Withdraw(100_000) // the first fills the floor
	drain := func(now int64) (n int) {
		for b.Withdraw(now) {
			n++
		}
		return n
	}
	drain(100_000)
	for range 1000 {
		b.Deposit()
	}
	if n := drain(100_000); n < 199 || n > 200 {
		t.Errorf("1000 requests earned %d retries, want 200", n)
	}
	if n := drain(101_001); n != 3 {
		t.Errorf("a second earned %d retries, want 3", n)
	}
	if n := drain(900_000); n != budgetFloorMax {
		t.Errorf("a long pause earned %d retries, want %d", n, budgetFloorMax)
	}
	for range 1_000_000 {
		b.Deposit()
	}
	if n := drain(900_000); n != budgetMax {
		t.Errorf("a million requests saved up %d retries, want %d", n, budgetMax)
	}
}

func TestRetriesCanBeOff(t *testing.T) {
	p := New(Config{Loops: 1, Servers: servers(1), Retries: RetryConfig{Share: -1, PerSecond: -1}}, nil)
	for now := range int64(10_000) {
		p.Budget(0).Deposit()
		if p.Budget(0).Withdraw(now) {
			t.Fatal("a retry was allowed")
		}
	}
}
