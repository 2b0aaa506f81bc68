package main

import "context"

func newConnections() *question {
	return &question{
		Name:     "new-connections",
		Asks:     "What CPU time does a request cost that comes on a connection of its own (Connection: close)?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 1.0, 1.0),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.plain("/128"), header: "Connection: close"})
		},
	}
}
