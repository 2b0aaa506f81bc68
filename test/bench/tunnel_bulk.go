package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

func tunnelBulk() *question {
	return &question{
		Name:     "tcp-bulk",
		Asks:     "What CPU time does 1 GB through one bare TCP connection cost?",
		subjects: []string{"nginx", "haproxy", "haproxy-splice", "weir"},
		figures:  []figure{{"cpu", "ms/GB"}, {"rate", "MB/s"}},
		targets:  beside("cpu", 0.5, 0.9),
		measure:  fetchBulk,
	}
}

// fetchBulk takes a file of 1 GB, and looks what the proxy used for it.
func fetchBulk(ctx context.Context, _ *bed, s *subject) (sample, error) {
	before, err := s.process.Usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.tunnel("/1g"), nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Transport{DisableKeepAlives: true, ReadBufferSize: 1 << 20}).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, 1<<20))
	if err != nil || n != 1_000_000_000 {
		return nil, fmt.Errorf("%d bytes: %w", n, err)
	}
	took := time.Since(began)
	after, err := s.process.Usage()
	if err != nil {
		return nil, err
	}
	return sample{"cpu": float64(after.Sub(before).CPU) / float64(time.Millisecond), "rate": float64(n) / 1e6 / took.Seconds()}, nil
}
