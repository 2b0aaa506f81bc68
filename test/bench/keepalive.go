package main

import "context"

func keepAlive() *question {
	return &question{
		Name:     "keep-alive",
		Asks:     "What CPU time does a small request cost: 64 keep-alive connections, 128-byte answers?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.88, 0.80),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.plain("/128")})
		},
	}
}
