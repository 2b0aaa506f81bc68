package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// An answer is what one question's rounds gave.
type answer struct {
	Question string
	Asks     string
	Figures  []figure
	Samples  map[string][]sample // by subject, one per round
	Verdicts []verdict

	subjects []string // that were there
}

// ask puts the question to its subjects, each once a round, another first each time.
func ask(ctx context.Context, b *bed, q *question, rounds int) (*answer, error) {
	a := &answer{Question: q.Name, Asks: q.Asks, Figures: q.figures, Samples: map[string][]sample{}}
	subjects := b.among(q.subjects...)
	for _, s := range subjects {
		a.subjects = append(a.subjects, s.name)
	}
	if q.rounds > 0 {
		rounds = min(rounds, q.rounds)
	}
	if q.prepare != nil {
		if err := q.prepare(ctx, b); err != nil {
			return nil, err
		}
	}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", q.Name, round+1, rounds)
		for i := range subjects {
			s := subjects[(i+round)%len(subjects)]
			taken, err := q.measure(ctx, b, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			a.Samples[s.name] = append(a.Samples[s.name], taken)
		}
	}
	for _, t := range q.targets {
		if a.has("weir") && (t.Peer == "" || a.has(t.Peer)) {
			a.Verdicts = append(a.Verdicts, a.judge(t))
		}
	}
	return a, nil
}

// has reports whether the subject was there.
func (a *answer) has(subject string) bool { return slices.Contains(a.subjects, subject) }

// values returns one figure of a subject, by round.
func (a *answer) values(subject, figure string) []float64 {
	var values []float64
	for _, s := range a.Samples[subject] {
		values = append(values, s[figure])
	}
	return values
}
