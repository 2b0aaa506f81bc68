package main

import "context"

func http2Answers() *question {
	return &question{
		Name:     "http2-100kB",
		Asks:     "What does an answer of 100 kB cost by HTTP/2 over TLS 1.3, 64 connections with 10 streams each?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.80, 0.90),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.loadHTTP2(ctx, s, "/100k")
		},
	}
}
