package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-proxy/weir/test/peers"
)

// The part of docs/benchmarks.md between these lines is the program's.
const (
	tableBegin = "<!-- bench: begin (written by go run ./test/bench -write) -->\n"
	tableEnd   = "<!-- bench: end -->\n"
)

// emptyPage is what the table goes into when there is no page yet.
const emptyPage = "# Benchmarks\n\n" + tableBegin + tableEnd

// writeDocs rewrites the table in docs/benchmarks.md.
func (r *report) writeDocs() error {
	root, err := peers.ModuleRoot()
	if err != nil {
		return err
	}
	file := filepath.Join(root, "docs/benchmarks.md")
	page, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		page, err = []byte(emptyPage), os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("%s: no lines %q and %q to write between", file, tableBegin, tableEnd)
	}
	return os.WriteFile(file, []byte(before+tableBegin+r.markdown()+tableEnd+after), 0o644)
}

// markdown is the report as a table of the targets and one of the figures.
func (r *report) markdown() string {
	var w strings.Builder
	fmt.Fprintf(&w, "\n%s, commit %s: `%s` (%d rounds of %d s, interleaved; median, then lowest – highest round).\n%s.\n%s.\n",
		r.Date, r.Commit, r.Command, r.Rounds, r.Seconds, r.Machine, r.Versions)
	fmt.Fprint(&w, "\n| question | figure | reached | spread | target | |\n|---|---|---|---|---|---|\n")
	for _, a := range r.Answers {
		for _, v := range a.Verdicts {
			fmt.Fprintf(&w, "| %s | %s | %.3g | %.3g – %.3g | %s | %s |\n",
				a.Question, v.subject(), v.Value, v.Lowest, v.Most, v.bound(), v.outcome())
		}
	}
	for _, a := range r.Answers {
		a.markdown(&w)
	}
	return w.String() + "\n"
}

// markdown is one answer: a row per subject, a column per figure.
func (a *answer) markdown(w *strings.Builder) {
	fmt.Fprintf(w, "\n**%s**: %s\n\n| |", a.Question, a.Asks)
	for _, f := range a.Figures {
		fmt.Fprintf(w, " %s, %s |", f.Name, f.Unit)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(a.Figures)))
	for _, s := range a.subjects {
		fmt.Fprintf(w, "| %s |", s)
		for _, f := range a.Figures {
			fmt.Fprintf(w, " %s |", withSpread(a.values(s, f.Name)))
		}
		fmt.Fprintln(w)
	}
}
