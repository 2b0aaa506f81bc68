package http2

import "testing"

// Frames with content pay for tiny frames, and for nothing else that a peer makes weir do.
func TestFramesWithContentPayForTinyOnesAlone(t *testing.T) {
	var tiny, pings Budget
	for i := range 3 * budgetFull {
		tiny.EarnWorth()
		if !tiny.Spend(GlitchTiny, 1) {
			t.Fatalf("a tiny frame behind each large one is a flood after %d", i)
		}
		for range 50 {
			pings.EarnWorth()
		}
		pings.Spend(GlitchPing, 1)
	}
	if pings.Spend(GlitchPing, 1) {
		t.Error("frames with content pay for PINGs")
	}
}
