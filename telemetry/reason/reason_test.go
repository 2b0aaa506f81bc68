package reason

import "testing"

func TestEveryReasonHasARowOfItsOwn(t *testing.T) {
	seen := map[string]Reason{}
	for r := Reason(0); r < Count; r++ {
		if r.Side() == "" || r.Stage() == "" || r.Why() == "" {
			t.Errorf("reason %d has an incomplete row: %q", r, r)
		}
		if other, ok := seen[r.String()]; ok {
			t.Errorf("reasons %d and %d have the same name %q", other, r, r)
		}
		seen[r.String()] = r
	}
}
