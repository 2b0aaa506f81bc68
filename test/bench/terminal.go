package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// print writes an answer for people: each subject's figures as median and spread, then the targets.
func (a *answer) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", a.Question, a.Asks)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	fmt.Fprint(t, "  ")
	for _, f := range a.Figures {
		fmt.Fprintf(t, "\t%s %s", f.Name, f.Unit)
	}
	fmt.Fprintln(t)
	for _, s := range a.subjects {
		fmt.Fprint(t, "  ", s)
		for _, f := range a.Figures {
			fmt.Fprintf(t, "\t%s", withSpread(a.values(s, f.Name)))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, v := range a.Verdicts {
		fmt.Fprintf(t, "  %s\t%.3g\t(%.3g – %.3g)\ttarget %s\t%s\n", v.subject(), v.Value, v.Lowest, v.Most, v.bound(), v.outcome())
	}
	t.Flush()
}

// withSpread formats a median with the lowest and highest value.
func withSpread(values []float64) string {
	return fmt.Sprintf("%s (%s – %s)", short(median(values)), short(slices.Min(values)), short(slices.Max(values)))
}

// short formats with three digits that matter, and no exponent.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
