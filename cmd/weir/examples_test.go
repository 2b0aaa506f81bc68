package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
)

// shellWord is a word of a simple command line, with its quotes; what ends the command is a word too.
var shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[|&;<>]+|[^\s'"|&;<>]+`)

// words are those of the command line behind `weir`, up to what a shell would take for itself.
func words(line string) (list []string) {
	for _, w := range shellWord.FindAllString(line, -1) {
		if strings.ContainsAny(w[:1], "|&;<>#)") {
			break
		}
		list = append(list, strings.Trim(w, `'"`))
	}
	return list
}

// find is the command that the words begin with, and the words behind it.
func find(args []string) (*cobra.Command, []string, error) {
	root := cli.New(program())
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(args)
	if err != nil {
		return nil, nil, err
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	return c, rest, nil
}

// usage reports whether the command line takes the words: the command, its flags and its arguments. Nothing runs.
func usage(args []string) error {
	c, rest, err := find(args)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	return c.ValidateArgs(c.Flags().Args())
}

// mention is usage for what a text says of a command: `weir drain --wait` need not name a server, nor `weir run --drain` a time.
func mention(args []string) error {
	c, rest, err := find(args)
	if err != nil {
		return err
	}
	for i, w := range rest {
		if name, isFlag := strings.CutPrefix(w, "--"); isFlag && c.Flags().Lookup(name) == nil && !strings.Contains(name, "=") {
			return fmt.Errorf("no flag %s", w)
		} else if !isFlag && (i == 0 || !strings.HasPrefix(rest[i-1], "-")) {
			return usage(args)
		}
	}
	return nil
}

var atLineStart = regexp.MustCompile(`^(?:\$ |sudo |[A-Z_]+=(?:\$\([^)]*\)|\S+) |watch -n1 |exec )*weir (.*)$`)

func TestExamplesOfTheHelpTextsAreTaken(t *testing.T) {
	n := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			if m := atLineStart.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				n++
				if err := usage(words(m[1])); err != nil {
					t.Errorf("weir %s --help: %s: %v", c.Name(), line, err)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cli.New(program()))
	if n < 40 {
		t.Errorf("found %d examples", n)
	}
}

// Commands stand in the documents in blocks of code, and between backquotes in the text.
func TestCommandsOfTheDocumentsAreTaken(t *testing.T) {
	files, _ := filepath.Glob("../../docs/*.md")
	more, _ := filepath.Glob("../../docs/*/*.md")
	files = append(append(files, more...), "../../README.md")
	quoted := regexp.MustCompile("`(weir [a-z][^`]*)`")
	n := 0
	for _, file := range files {
		if strings.Contains(file, "/decisions/") {
			continue // of the time when they were made
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		try := func(line string, takes func([]string) error) {
			m := atLineStart.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil || strings.Contains(m[1], "…") {
				return
			}
			n++
			if err := takes(words(m[1])); err != nil {
				t.Errorf("%s: weir %s: %v", strings.TrimPrefix(file, "../../"), m[1], err)
			}
		}
		for _, line := range strings.Split(string(text), "\n") {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				try(m[1], mention)
			}
		}
		for _, block := range strings.Split(string(text), "\n```")[1:] {
			if kind, body, _ := strings.Cut(block, "\n"); slices.Contains([]string{"sh", "console", "bash", "shell"}, strings.TrimSpace(kind)) {
				for _, line := range strings.Split(body, "\n") {
					try(line, usage)
				}
			}
		}
	}
	if n < 80 {
		t.Errorf("found %d commands", n)
	}
}
