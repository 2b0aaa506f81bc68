package netfilter

import (
	"fmt"
	"testing"
)

func TestSlotsGoByWeightAndOnlyTheLeaversMove(t *testing.T) {
	var servers []Server
	for i, weight := range []int{1, 1, 2, 4} {
		servers = append(servers, Server{Name: fmt.Sprintf("10.0.0.%d:80", i), Weight: weight})
	}
	owner := shares(servers)
	count := map[string]int{}
	for _, i := range owner {
		count[servers[i].Name]++
	}
	for _, s := range servers {
		if want := slots * s.Weight / 8; count[s.Name] < want*6/10 || count[s.Name] > want*15/10 {
			t.Errorf("%s has %d slots, want about %d", s.Name, count[s.Name], want)
		}
	}
	gone := servers[2].Name
	left := append(append([]Server{}, servers[:2]...), servers[3])
	for slot, i := range shares(left) {
		if before := servers[owner[slot]].Name; before != gone && before != left[i].Name {
			t.Fatalf("slot %d moved from %s to %s, and neither is gone", slot, before, left[i].Name)
		}
	}
}
