package main

import "context"

func overTLS() *question {
	return &question{
		Name:     "tls",
		Asks:     "What does the same request cost over TLS 1.3 (ECDSA P-256, AES-128-GCM), 64 keep-alive connections?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.88, 0.80),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.secure("/128")})
		},
	}
}
