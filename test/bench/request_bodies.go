package main

import "context"

func requestBodies() *question {
	return &question{
		Name:     "request-bodies",
		Asks:     "What CPU time does a POST of 10 kB cost, on 64 keep-alive connections?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.90, 0.90),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.plain("/sink"), method: "POST", body: 10_000})
		},
	}
}
