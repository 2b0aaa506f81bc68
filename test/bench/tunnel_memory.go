package main

import "context"

// tunnelsHeld stays with both of their descriptors within what a process may have by default here.
const tunnelsHeld = 4500

func tunnelMemory() *question {
	return &question{
		Name:     "tcp-idle-memory",
		Asks:     "What user memory does an idle tunnel of bare TCP cost, with 4,500 held after one exchange each?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  []figure{{"per connection", "kB"}, {"before", "MB"}, {"after", "MB"}},
		targets:  []target{{Figure: "per connection", Peer: "haproxy", Bound: 1.0}},
		rounds:   3,
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return holdConnections(ctx, b, s, func(s *subject) string { return s.tunnelAddress }, tunnelsHeld, false)
		},
	}
}
