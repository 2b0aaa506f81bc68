package http1

import "testing"

func TestHostileResponsesNeverReachTheClient(t *testing.T) {
	cases := load(t, "responses")
	if len(cases) < 100 {
		t.Fatalf("%d cases, want at least 100", len(cases))
	}
	inLanes(t, cases, (*lane).response)
}
