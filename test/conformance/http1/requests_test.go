package http1

import "testing"

func TestMalformedRequestsNeverReachTheServer(t *testing.T) {
	cases := load(t, "requests")
	if len(cases) < 300 {
		t.Fatalf("%d cases, want at least 300", len(cases))
	}
	inLanes(t, cases, (*lane).request)
}
