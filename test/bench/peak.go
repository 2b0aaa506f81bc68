package main

import "context"

func peak() *question {
	return &question{
		Name:     "peak",
		Asks:     "How many small requests pass in a second, origin and load generator on the same cores?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets: []target{
			{Figure: "rate", Peer: "nginx", Bound: 1.05, AtLeast: true},
			{Figure: "rate", Peer: "haproxy", Bound: 1.05, AtLeast: true},
		},
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.plain("/128")})
		},
	}
}
