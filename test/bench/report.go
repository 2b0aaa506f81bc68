package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A report is the whole result, as kept.
type report struct {
	Date     string
	Commit   string
	Machine  string
	Versions string
	Command  string
	Rounds   int
	Seconds  int
	Answers  []*answer
}

// newReport notes when, where and of what.
func newReport(o options) *report {
	return &report{
		Date:     time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		Commit:   commit(),
		Machine:  machine(),
		Versions: versions(),
		Command:  command(),
		Rounds:   o.rounds,
		Seconds:  o.seconds,
	}
}

// command is what repeats the run: the flags that were given, without the file for the result.
func command() string {
	words := []string{"go run ./test/bench"}
	flag.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "json":
		case "write":
			words = append(words, "-write")
		default:
			words = append(words, "-"+f.Name, f.Value.String())
		}
	})
	return strings.Join(words, " ")
}

// commit names the commit of the tree.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// keep writes the report where the options say.
func (r *report) keep(o options) error {
	passed, missed := 0, 0
	for _, a := range r.Answers {
		for _, v := range a.Verdicts {
			if v.Passed {
				passed++
			} else {
				missed++
			}
		}
	}
	fmt.Printf("\n%d targets passed, %d missed\n", passed, missed)
	if o.json != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.write {
		return r.writeDocs()
	}
	return nil
}
