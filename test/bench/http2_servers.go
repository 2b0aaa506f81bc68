package main

import "context"

func http2Servers() *question {
	return &question{
		Name:     "http2-servers",
		Asks:     "With HTTP/2 to the clients, what does a 128-byte answer cost from a server by h2c, beside the same by HTTP/1.1?",
		subjects: []string{"weir"},
		figures:  []figure{{"h2c", "µs"}, {"http1", "µs"}, {"h2c/http1", ""}},
		targets:  []target{{Figure: "h2c/http1", Bound: 0.85}},
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			h2c, err := b.loadHTTP2(ctx, s, "/h2c/128")
			if err != nil {
				return nil, err
			}
			http1, err := b.loadHTTP2(ctx, s, "/128")
			if err != nil {
				return nil, err
			}
			return sample{"h2c": h2c["cpu"], "http1": http1["cpu"], "h2c/http1": h2c["cpu"] / http1["cpu"]}, nil
		},
	}
}
