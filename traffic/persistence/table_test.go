package persistence

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestEntriesLiveUntilTheyWereUnusedForTheirTime(t *testing.T) {
	table := NewTable(100, 30)
	table.put(7, 70, 0)
	for now := int64(0); now <= 300_000; now += 29_000 {
		if tag, ok := table.get(7, now); !ok || tag != 70 {
			t.Fatalf("at %d ms: %d, %v", now, tag, ok)
		}
	}
	last := int64(290_000)
	if _, ok := table.get(7, last+31_000); ok {
		t.Error("an entry outlives its time")
	}
}

func TestFullTableForgetsWhatWasNotUsedForLongest(t *testing.T) {
	table := NewTable(8, 1000)
	for i := range uint64(8) {
		table.put(i, uint32(i), int64(i)*1000)
	}
	table.get(0, 20_000)
	table.put(100, 100, 21_000)
	for i := range uint64(8) {
		if _, ok := table.get(i, 21_000); ok != (i != 1) {
			t.Errorf("key %d: %v", i, ok)
		}
	}
	if table.Replaced.Load() != 1 || table.Used(21_000) != 8 {
		t.Errorf("%d replaced, %d used", table.Replaced.Load(), table.Used(21_000))
	}
}

func TestExpiredEntriesMakeRoomWithoutLoss(t *testing.T) {
	table := NewTable(8, 10)
	for i := range uint64(800) {
		table.put(i, uint32(i), int64(i)*11_000)
	}
	if n := table.Replaced.Load(); n != 0 {
		t.Errorf("%d living entries had to go", n)
	}
}

func TestEntriesGoOverToAnotherTableWithTheTimeTheyHave(t *testing.T) {
	old, next := NewTable(100, 30), NewTable(100, 20)
	for i := range uint64(50) {
		old.put(i, uint32(i)+1, int64(i)*1000)
	}
	now := int64(50_000)
	next.Fill(old.Entries(now), 0) // its clock stands elsewhere
	if next.Used(0) != old.Used(now) || next.Used(0) == 0 {
		t.Errorf("%d of %d", next.Used(0), old.Used(now))
	}
	if tag, ok := next.get(49, 0); !ok || tag != 50 {
		t.Errorf("the last: %d, %v", tag, ok)
	}
	if next.Used(20_000) > 0 {
		t.Errorf("%d outlive the time of their new table", next.Used(20_000))
	}
}

// Loops that share a table may forget a key; none ever finds another's server under it.
func TestNoKeyIsFoundWithAnothersServer(t *testing.T) {
	table := NewTable(16, 1000)
	var all sync.WaitGroup
	for loop := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(loop, 1))
			for i := range int64(300_000) {
				key := r.Uint64N(64)
				if tag, ok := table.get(key, i/100); ok && uint64(tag) != key*3 {
					t.Errorf("key %d has the server of %d", key, tag/3)
					return
				}
				if r.IntN(4) == 0 {
					table.put(key, uint32(key*3), i/100)
				}
			}
		})
	}
	all.Wait()
}

// Whoever claims a key at one moment, on however many loops, gets the same answer.
func TestOfThoseWhoClaimAKeyOneWins(t *testing.T) {
	table := NewTable(1<<12, 30)
	const loops, keys = 8, 500
	got := make([][keys]uint32, loops)
	var ready, done sync.WaitGroup
	ready.Add(loops)
	for l := range loops {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			for k := range uint64(keys) {
				got[l][k] = table.claim(k*7919, uint32(l)+1, 0)
			}
		})
	}
	done.Wait()
	split := 0
	for k := range keys {
		settled, ok := table.get(uint64(k)*7919, 0)
		if !ok {
			t.Fatalf("key %d is not in the table", k)
		}
		for l := range loops {
			if got[l][k] != settled {
				split++
			}
		}
	}
	if split > 0 {
		t.Errorf("%d of %d claims went to another server than the key is with", split, loops*keys)
	}
}
