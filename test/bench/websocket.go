package main

import "context"

func webSocket() *question {
	return &question{
		Name:     "websocket",
		Asks:     "What does a WebSocket message of 125 bytes cost that is echoed, on 1,000 connections?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.80, 0.80),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return loadWith(ctx, s, &talk{address: s.plainAddress, seconds: b.seconds})
		},
	}
}
