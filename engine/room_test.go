package engine

import (
	"fmt"
	"net/netip"
	"testing"
)

// ending is a connection that could be ended.
type ending struct {
	name  string
	ended *[]string
}

func (e *ending) MakeRoom() bool { *e.ended = append(*e.ended, e.name); return true }

// Idle clients make room at once, those that are in the midst of something after a while, heavy ones sooner; of equals those go first that have been silent longest.
func TestWhoIsEndedToMakeRoom(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := e.Loops()[0]
	var ended []string
	l.Call(func() {
		var list []Spare
		add := func(name, peer string, rank Rank, silent int64) {
			list = append(list, Spare{Rank: rank, Peer: netip.MustParseAddr(peer), Since: l.Now() - silent, Owner: &ending{name, &ended}})
		}
		add("stalled", "10.0.0.1", RankStalled, 4900)
		add("stalled long", "10.0.0.2", RankStalled, 5100)
		add("beginning", "10.0.0.3", RankBeginning, 900)
		add("beginning long", "10.0.0.4", RankBeginning, 1100)
		add("idle for a moment", "10.0.0.5", RankIdle, 50)
		add("idle", "10.0.0.6", RankIdle, 150)
		add("idle longer", "10.0.0.7", RankIdle, 2000)
		for range heavyFrom {
			add("heavy", "10.0.0.8", RankBeginning, 300)
		}
		if n := l.EndSpares(list, 4+heavyFrom); n != 4+heavyFrom {
			t.Errorf("ended %d", n)
		}
	})
	want := []string{"idle longer", "idle"}
	for range heavyFrom {
		want = append(want, "heavy")
	}
	if want = append(want, "beginning long", "stalled long"); fmt.Sprint(ended) != fmt.Sprint(want) {
		t.Errorf("ended %q, want %q", ended, want)
	}
}
