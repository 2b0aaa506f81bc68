package api

import "testing"

func TestMultiplexingArithmetic(t *testing.T) {
	for _, c := range []struct {
		clients, opened, reused uint64
		want                    Multiplexing
	}{
		{0, 0, 0, Multiplexing{}},
		{5, 0, 0, Multiplexing{Clients: 5}},
		{120, 10, 990, Multiplexing{120, 10, 12, "12:1", 100, 99}},
		{124, 10, 0, Multiplexing{124, 10, 12.4, "12:1", 1, 0}},
		{15, 10, 10, Multiplexing{15, 10, 1.5, "1.5:1", 2, 50}},
		{10, 10, 30, Multiplexing{10, 10, 1, "1:1", 4, 75}},
		{1, 4, 0, Multiplexing{1, 4, 0.25, "1:4", 1, 0}},
		{0, 4, 0, Multiplexing{0, 4, 0, "0:4", 1, 0}},
	} {
		if got := NewMultiplexing(c.clients, c.opened, c.reused); got != c.want {
			t.Errorf("%d clients, %d opened, %d reused: %+v, want %+v", c.clients, c.opened, c.reused, got, c.want)
		}
	}
}
