package main

import "context"

func overHTTP2() *question {
	return &question{
		Name:     "http2",
		Asks:     "What does a 128-byte answer cost by HTTP/2 over TLS 1.3, 64 connections with 10 streams each?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.80, 0.80),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.loadHTTP2(ctx, s, "/128")
		},
	}
}
