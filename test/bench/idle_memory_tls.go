package main

import "context"

// heldTLS is fewer than held: clients of TLS are larger.
const heldTLS = 3000

func idleMemoryTLS() *question {
	return &question{
		Name:     "idle-memory-tls",
		Asks:     "What user memory does an idle keep-alive connection of TLS 1.3 cost, with 3,000 held after one request each?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  []figure{{"per connection", "kB"}, {"before", "MB"}, {"after", "MB"}},
		targets:  beside("per connection", 1.0, 1.0),
		rounds:   3,
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return holdConnections(ctx, b, s, func(s *subject) string { return s.secureAddress }, heldTLS, true)
		},
	}
}
