package tidy

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/explain"
)

// block is a fenced block of a document.
type block struct {
	language string
	text     string
	line     int
}

func blocks(t *testing.T, name string) []block {
	t.Helper()
	var list []block
	inside := false
	n := 0
	for line := range strings.Lines(read(t, name)) {
		n++
		switch {
		case strings.HasPrefix(line, "```") && !inside:
			list = append(list, block{language: strings.TrimSpace(line[3:]), line: n})
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			list[len(list)-1].text += line
		}
	}
	if inside {
		t.Errorf("%s: the last block does not end", name)
	}
	return list
}

// documents are the texts for people; docs/reference is generated from what is tested elsewhere.
func documents(t *testing.T) []string {
	t.Helper()
	var list []string
	eachFile(t, func(name string) {
		if strings.HasSuffix(name, ".md") && !strings.HasPrefix(name, "docs/reference/") {
			list = append(list, name)
		}
	})
	if len(list) < 10 {
		t.Fatalf("found %d documents", len(list))
	}
	return list
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// An example that does not load teaches a mistake.
func TestExamplesOfConfigurationsLoadAndPassTheirTests(t *testing.T) {
	whole := regexp.MustCompile(`(?m)^(sites|listeners|pools):`)
	found := 0
	for _, name := range documents(t) {
		for _, b := range blocks(t, name) {
			if b.language != "yaml" || !whole.MatchString(b.text) {
				continue
			}
			found++
			for _, m := range variable.FindAllStringSubmatch(b.text, -1) {
				t.Setenv(m[1], "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0") // does for keys and tokens
			}
			cfg, problems := config.Parse(name, []byte(b.text))
			if len(problems.Errors()) == 0 {
				_, more := explain.Offline(cfg) // finds what shows when routes are built, such as one that can never match
				problems = append(problems, more...)
			}
			for _, p := range problems {
				t.Errorf("%s: the block at line %d: %v", name, b.line, p)
			}
			if cfg == nil || len(cfg.Tests) == 0 {
				continue
			}
			for i, r := range explain.RunTests(cfg) {
				for _, failed := range r.Failures {
					t.Errorf("%s: the block at line %d: test %d: %s", name, b.line, i+1, failed)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("found %d whole configurations in the documents", found)
	}
}

var links = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// A link that leads nowhere is a reader lost.
func TestLinksOfDocumentsResolve(t *testing.T) {
	for _, name := range documents(t) {
		for _, m := range links.FindAllStringSubmatch(read(t, name), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := name
			if target != "" {
				file = path.Join(path.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
				continue
			}
			if anchor != "" && strings.HasSuffix(file, ".md") && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: %s: %s has no such heading", name, m[1], file)
			}
		}
	}
}

// anchors are what a forge makes of a document's headings.
func anchors(t *testing.T, name string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(read(t, name)) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		heading := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
		list = append(list, strings.ReplaceAll(heading, " ", "-"))
	}
	return list
}

var paths = regexp.MustCompile("`((?:cmd|engine|wire|traffic|telemetry|control|console|test|docs)/[A-Za-z0-9_./-]+)`")

// A document that names a file which is not there sends its reader on a search.
func TestFilesThatDocumentsNameExist(t *testing.T) {
	found := 0
	for _, name := range documents(t) {
		for _, m := range paths.FindAllStringSubmatch(read(t, name), -1) {
			found++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: names %s, which is not there", name, m[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d names of files in the documents", found)
	}
}

// The files of a stage stand in the table of ARCHITECTURE.md without their folder.
func TestTheTableOfStagesIsTheListOfStages(t *testing.T) {
	stages := regexp.MustCompile(`(?m)^\t\t[A-Z]\w*: +\{"(\w+)", \(\*Exchange\)\.(\w+)\}`).FindAllStringSubmatch(read(t, "traffic/exchange/stages.go"), -1)
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+\\.go)` \\|").FindAllStringSubmatch(read(t, "ARCHITECTURE.md"), -1)
	if len(stages) == 0 || len(stages) != len(rows) {
		t.Fatalf("traffic/exchange/stages.go has %d stages, ARCHITECTURE.md %d", len(stages), len(rows))
	}
	for i := range stages {
		if stages[i][1] != rows[i][1] {
			t.Errorf("stage %d is %s, in ARCHITECTURE.md %s", i, stages[i][1], rows[i][1])
		}
		method := "func (x *Exchange) " + stages[i][2] + "() Stage"
		if !strings.Contains(read(t, "traffic/exchange/"+rows[i][2]), method) {
			t.Errorf("stage %s does not stand in %s", rows[i][1], rows[i][2])
		}
	}
}

// Every package has its line in the list of rooms, itself or as part of the folder above it.
func TestTheHouseListsItsRooms(t *testing.T) {
	text := read(t, "ARCHITECTURE.md")
	for _, p := range packages(t) {
		if !strings.Contains(text, "| `"+p.path+"` |") && !strings.Contains(text, "| `"+path.Dir(p.path)+"` |") &&
			!strings.Contains(text, "| `"+path.Dir(path.Dir(p.path))+"` |") {
			t.Errorf("ARCHITECTURE.md: the house has no line for %s", p.path)
		}
	}
}

// What holds on one machine only does not belong into a text for all.
func TestDocumentsNameNoMachine(t *testing.T) {
	own := regexp.MustCompile(`(^|[\s"'(=` + "`" + `])/(wo` + `rk|root|home|tmp|Users)/`)
	for _, name := range documents(t) {
		n := 0
		for line := range strings.Lines(read(t, name)) {
			n++
			if own.MatchString(line) {
				t.Errorf("%s:%d: names a place of one machine: %s", name, n, strings.TrimSpace(line))
			}
		}
	}
}

// Decisions are numbered, one page each, and say what would change our mind.
func TestDecisionsHaveTheirForm(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs/decisions/*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal("no decisions: ", err)
	}
	index := read(t, "docs/README.md")
	seen := map[string]bool{}
	for _, file := range files {
		base := filepath.Base(file)
		text := read(t, "docs/decisions/"+base)
		if !regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`).MatchString(base) || seen[base[:4]] {
			t.Errorf("%s: want a number of its own and a title", base)
			continue
		}
		seen[base[:4]] = true
		if !strings.HasPrefix(text, "# "+base[:4]+" ") {
			t.Errorf("%s: the heading does not begin with %q", base, "# "+base[:4])
		}
		for _, part := range []string{"**Problem.**", "**Choice.**", "**Rejected.**", "**What would change our mind.**"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: has no %s", base, part)
			}
		}
		if n := strings.Count(text, "\n"); n > 70 {
			t.Errorf("%s: %d lines are more than a page", base, n)
		}
		if !strings.Contains(index, "decisions/"+base) {
			t.Errorf("docs/README.md does not list %s", base)
		}
	}
}

// The first thing that anybody types must work.
func TestCommandsOfTheReadmeExist(t *testing.T) {
	readme := read(t, "README.md")
	for _, command := range []string{"go run ./cmd/weir demo", "make test"} {
		if !strings.Contains(readme, command) {
			t.Errorf("README.md does not show %q", command)
		}
	}
	for _, args := range [][]string{{"make", "-n", "test"}, {"go", "run", "./cmd/weir", "demo", "--help"}} {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = root
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Code for other systems rots unseen on Linux. macOS stands for them: it has neither epoll nor splice.
func TestItBuildsWhereThereIsNoEpoll(t *testing.T) {
	c := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "weir"), "./cmd/weir")
	c.Dir = root
	c.Env = append(os.Environ(), "GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
