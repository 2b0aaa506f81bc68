package authority

import (
	"testing"
	"testing/synctest"
	"time"
)

// A year and more goes by: leaves and the intermediate are made anew in time, the root stays.
func TestIntermediateIsRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, err := Open(dir, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		first, err := a.Leaf("localhost")
		if err != nil {
			t.Fatal(err)
		}
		root := a.Root()
		for range 60 {
			time.Sleep(10 * 24 * time.Hour)
			leaf, err := a.Leaf("localhost")
			if err != nil {
				t.Fatal(err)
			}
			by := a.intermediate.cert
			if now := time.Now(); now.After(by.NotAfter) || leaf.Leaf.NotAfter.After(by.NotAfter) || now.After(RenewAt(leaf.Leaf)) {
				t.Fatalf("at %v: leaf until %v, intermediate until %v", now, leaf.Leaf.NotAfter, by.NotAfter)
			}
		}
		if string(a.intermediate.cert.Raw) == string(first.Certificate[1]) {
			t.Error("the intermediate was never renewed")
		}
		again, err := Open(dir, time.Now)
		if err != nil || string(again.Root()) != string(root) || string(again.intermediate.cert.Raw) != string(a.intermediate.cert.Raw) {
			t.Errorf("another start has others: %v", err)
		}
	})
}
