package main

import "context"

func tunnelConnections() *question {
	return &question{
		Name:     "tcp-new-connections",
		Asks:     "What CPU time does a new connection through bare TCP cost, with one small exchange on it?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  []target{{Figure: "cpu", Peer: "haproxy", Bound: 1.0}},
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.tunnel("/128"), header: "Connection: close"})
		},
	}
}
