package main

import (
	"context"
	"time"
)

// loadFigures are what a run of wrk against a proxy gives.
var loadFigures = []figure{{"cpu", "µs"}, {"user", "µs"}, {"system", "µs"}, {"rate", "/s"}}

// load loads a proxy and divides the CPU time of its processes by the requests. The kernel counts user and system
// time by ticks; only their shares of the exact sum are used.
func (b *bed) load(ctx context.Context, s *subject, w wrk) (sample, error) {
	w.seconds = b.seconds
	return loadWith(ctx, s, w)
}

// loadHTTP2 is load by HTTP/2 over TLS.
func (b *bed) loadHTTP2(ctx context.Context, s *subject, path string) (sample, error) {
	return loadWith(ctx, s, h2load{url: s.secure(path), seconds: b.seconds})
}

func loadWith(ctx context.Context, s *subject, w interface {
	run(ctx context.Context) (loaded, error)
}) (sample, error) {
	before, err := s.process.Usage()
	if err != nil {
		return nil, err
	}
	l, err := w.run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := s.process.Usage()
	if err != nil {
		return nil, err
	}
	used := after.Sub(before)
	perRequest := float64(used.CPU) / float64(time.Microsecond) / l.Requests
	userShare := float64(used.User) / float64(max(1, used.User+used.System))
	return sample{
		"cpu":    perRequest,
		"user":   perRequest * userShare,
		"system": perRequest * (1 - userShare),
		"rate":   l.Requests / l.Seconds,
	}, nil
}
