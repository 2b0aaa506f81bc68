package main

import "context"

func answers100kB() *question { return answers("answers-100kB", "100 kB", "/100k") }

func answers1MB() *question { return answers("answers-1MB", "1 MB", "/1m") }

// answers asks about one size of answer. The targets are against the peers' defaults; HAProxy with splice, which it has
// off unless asked, stands beside them because weir splices unasked.
func answers(name, size, path string) *question {
	return &question{
		Name:     name,
		Asks:     "What CPU time does an answer of " + size + " cost, on 64 keep-alive connections?",
		subjects: []string{"nginx", "haproxy", "haproxy-splice", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 0.60, 0.80),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return b.load(ctx, s, wrk{url: s.plain(path)})
		},
	}
}
