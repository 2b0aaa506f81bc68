package persistence

import (
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
)

// While loops change from one set to the next, neither of the two has its names computed on a loop.
func TestPreparedNamesOfTwoSetsAreThere(t *testing.T) {
	p := New(Config{Cookie: "c", Secret: []byte("s")})
	var sets []*pool.Set
	for range 2 {
		sets = append(sets, pool.New(pool.Config{Servers: []pool.ServerConfig{{Address: "10.0.0.1:80"}}}, nil).Set())
		p.Prepare(sets[len(sets)-1])
	}
	next, before := p.names.Load(), p.before.Load()
	p.Prepare(sets[1])
	for range 2 {
		if p.namesOf(sets[0]) != before || p.namesOf(sets[1]) != next {
			t.Fatal("names were computed again")
		}
	}
}
