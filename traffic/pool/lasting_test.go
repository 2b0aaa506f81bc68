package pool

import "testing"

// A server that was slow a moment ago gets its part of what lasts all the same: answers' times say nothing of it.
func TestWhatLastsIsSpreadByNumber(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		switch policy {
		case "hash", "maglev", "first":
			return // have one place for a key
		}
		p := weighted(policy, 1, 1)
		one, two := p.Set().Servers[0], p.Set().Servers[1]
		now := int64(1000)
		for _, s := range []*Server{one, two} {
			micros := int64(1000)
			if s == one {
				micros = 400_000
			}
			for range 10 {
				p.Begin(s, 0)
				p.End(s, 0, now, micros, OK)
			}
		}
		placed := map[*Server]int{}
		for range 100 {
			var held Held
			s, why := p.AdmitLasting(0, now, 1, nil, false, &held)
			if s == nil {
				t.Fatal(why)
			}
			placed[s]++
			p.Reached(s, 0, now, 1000)
			now += 20
		}
		if n := placed[one]; n < 30 || n > 70 {
			t.Errorf("%d of 100 at the server that was slow", n)
		}
	})
}
