package http2

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

func TestTransitionsAreAsPrinted(t *testing.T) {
	var b strings.Builder
	for s := StateIdle; s < stateCount; s++ {
		for e := RecvHeaders; e < eventCount; e++ {
			v := transitions[s][e]
			what := v.next.String()
			switch {
			case v.bug:
				what = "BUG"
			case v.conn:
				what = "connection error " + v.code.String()
			case v.code != NoError:
				what = "stream error " + v.code.String()
			}
			fmt.Fprintf(&b, "%-20s %-13s %s\n", s, e, what)
		}
	}
	const file = "testdata/transitions.txt"
	if *update {
		os.WriteFile(file, []byte(b.String()), 0o644)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the table is\n%s", b.String())
	}
}

func TestAStreamEndsWhenBothSidesHaveEnded(t *testing.T) {
	for _, order := range [][]Event{{RecvHeaders, RecvEnd, SendHeaders, SendData, SendEnd}, {RecvHeaders, SendHeaders, SendEnd, RecvData, RecvEnd},
		{SendHeaders, SendEnd, RecvHeaders, RecvEnd}, {RecvHeaders, RecvReset}, {RecvHeaders, SendReset}} {
		s := StateIdle
		for _, e := range order {
			if r := s.On(e); r != nil {
				t.Fatalf("%v: %v: %+v", order, e, r)
			}
		}
		if s != StateClosed {
			t.Errorf("%v: %v", order, s)
		}
	}
}

func TestWhatIsNotInTheDiagramIsRefused(t *testing.T) {
	for _, c := range []struct {
		before []Event
		event  Event
		want   Refusal
	}{
		{nil, RecvData, Refusal{ProtocolError, true, "recv_data_when_idle"}},
		{nil, RecvReset, Refusal{ProtocolError, true, "recv_reset_when_idle"}},
		{[]Event{RecvHeaders, RecvEnd}, RecvData, Refusal{StreamClosed, false, "recv_data_when_half_closed_remote"}},
		{[]Event{RecvHeaders, RecvEnd, SendEnd}, RecvHeaders, Refusal{StreamClosed, true, "recv_headers_when_closed"}},
	} {
		s := StateIdle
		for _, e := range c.before {
			s.On(e)
		}
		if r := s.On(c.event); r == nil || *r != c.want {
			t.Errorf("%v after %v: %+v, want %+v", c.event, c.before, r, c.want)
		}
	}
}
