package main

import "context"

func tunnelKeepAlive() *question {
	return &question{
		Name:     "tcp-keep-alive",
		Asks:     "What CPU time does a small exchange cost through bare TCP: 64 kept-open connections, 128-byte answers?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.9, 0.9),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.tunnel("/128")})
		},
	}
}
