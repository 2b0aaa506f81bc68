package main

import (
	"context"
	"math"
)

// latencyLoad is the part of the peak at which the latency is taken.
const latencyLoad = 0.7

func latency() *question {
	// rate is what all subjects are loaded with: 70 % of the lowest of their peaks, so that none is beyond its own
	// knee and all answer the same number of requests.
	var rate float64
	return &question{
		Name:     "latency",
		Asks:     "How long does a small request take at 70 % of the peak load, at a constant rate on 64 connections?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  []figure{{"p50", "µs"}, {"p99", "µs"}, {"p99.9", "µs"}, {"rate", "/s"}},
		targets:  beside("p99", 1.0, 1.0),
		prepare: func(ctx context.Context, b *bed) error {
			lowest := math.Inf(1)
			for _, s := range b.among("nginx", "haproxy", "weir") {
				peak, err := b.load(ctx, s, wrk{url: s.plain("/128")})
				if err != nil {
					return err
				}
				lowest = min(lowest, peak["rate"])
			}
			rate = math.Floor(latencyLoad * lowest)
			return nil
		},
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return pace(ctx, s.plainAddress, "/128", 128, rate, b.seconds)
		},
	}
}
