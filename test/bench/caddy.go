package main

import "context"

func besideCaddy() *question {
	return &question{
		Name:     "caddy",
		Asks:     "What CPU time does a small request cost beside Caddy, the other proxy in Go?",
		subjects: []string{"caddy", "weir"},
		figures:  loadFigures,
		targets:  []target{{Figure: "cpu", Peer: "caddy", Bound: 0.2}},
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.plain("/128")})
		},
	}
}
