package tidy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The text of the layers stands in ARCHITECTURE.md, because it is for people first: a package may import what stands left of it or what
// that may import, and nothing else. An import that goes up is how a proxy becomes a ball of mud: the engine learns of HTTP, the request
// path learns of YAML, and no part can be tested, replaced or read without the others.
func TestImportsGoOneWay(t *testing.T) {
	l := parseLayers(t)
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path, "test/") {
			continue // proves weir from outside, so it may hold anything
		}
		if !l.known[p.path] {
			t.Errorf("%s: has no place in the layers of ARCHITECTURE.md", p.path)
			continue
		}
		for _, f := range p.files {
			for _, i := range f.imports() {
				if !isOurs(i) || l.mayImport(p.path, i) || f.isTest() && !l.forbids(p.path, i) {
					continue // tests may look at a package from where they need to
				}
				t.Errorf("%s: imports %s, which the layers of ARCHITECTURE.md do not allow to %s", f.name, i, p.path)
			}
		}
	}
}

// A layer for a package that is not there is an empty room.
func TestLayersNameWhatIsThere(t *testing.T) {
	there := map[string]bool{}
	for _, p := range packages(t) {
		there[p.path] = true
	}
	for name := range parseLayers(t).known {
		if !there[name] {
			t.Errorf("the layers of ARCHITECTURE.md name %s, which is not there", name)
		}
	}
}

// What must never be, whatever is added to the layers later.
func TestLayersNeverAllow(t *testing.T) {
	l := parseLayers(t)
	for _, n := range l.never {
		if l.mayImport(n[1], n[0]) {
			t.Errorf("the layers allow %s to import %s, which they say must never be", n[1], n[0])
		}
	}
	if len(l.never) == 0 {
		t.Error("the layers of ARCHITECTURE.md forbid nothing by name")
	}
}

// wire/ and engine/ are kept apart from the other side's world.
func TestOnlyTheEngineOwnsSockets(t *testing.T) {
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.path, "wire/") {
			continue
		}
		for _, f := range p.files {
			for _, i := range f.imports() {
				if f.isTest() {
					continue
				}
				if i == "syscall" || i == "os" || i == "net" && p.path != "wire/tls" {
					t.Errorf("%s: imports %s: a codec turns bytes into messages and owns no socket", f.name, i)
				}
			}
		}
	}
}

// isOurs reports whether an import, cut by goFile.imports, is of this module.
func isOurs(path string) bool {
	for _, dir := range []string{"cmd/", "engine", "wire/", "traffic/", "telemetry/", "control/", "console/", "docs/", "test/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

// layers is the text, understood.
type layers struct {
	known map[string]bool
	below map[string][]string // directly
	never [][2]string         // the second may not import the first
}

// parseLayers reads the block of ARCHITECTURE.md that begins with "# layers;". In the notation of Go's own deps_test.go, "a < b" lets b
// import a; "a !< b" says that this must never be so; names in capitals stand for a group.
func parseLayers(t *testing.T) *layers {
	t.Helper()
	_, text, found := strings.Cut(read(t, "ARCHITECTURE.md"), "```\n# layers;")
	_, text, _ = strings.Cut(text, "\n")
	text, _, closed := strings.Cut(text, "```")
	if !found || !closed {
		t.Fatal("ARCHITECTURE.md has no block that begins with # layers;")
	}
	var rules strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rules.WriteString(line + " ")
	}
	l := &layers{known: map[string]bool{}, below: map[string][]string{}}
	for rule := range strings.SplitSeq(rules.String(), ";") {
		if rule = strings.TrimSpace(rule); rule == "" {
			continue
		}
		if err := l.add(rule); err != nil {
			t.Fatalf("ARCHITECTURE.md: layers: %v", err)
		}
	}
	maps.DeleteFunc(l.known, func(name string, _ bool) bool { return strings.ToUpper(name) == name })
	return l
}

func (l *layers) add(rule string) error {
	if left, right, isNever := strings.Cut(rule, "!<"); isNever {
		for _, a := range names(left) {
			for _, b := range names(right) {
				if !l.known[a] || !l.known[b] {
					return fmt.Errorf("%q: names what is not defined before", rule)
				}
				l.never = append(l.never, [2]string{a, b})
			}
		}
		return nil
	}
	var left []string
	for i, group := range strings.Split(rule, "<") {
		now := names(group)
		for _, n := range now {
			switch {
			case n == "NONE" && i == 0:
			case i == 0 && !l.known[n]:
				return fmt.Errorf("%q: %s is not defined before it is used", rule, n)
			case i > 0 && l.known[n]:
				return fmt.Errorf("%q: %s is defined twice", rule, n)
			}
			if i > 0 {
				l.below[n] = left
			}
		}
		for _, n := range now {
			l.known[n] = true
		}
		left = now
	}
	return nil
}

func names(group string) []string {
	var list []string
	for n := range strings.SplitSeq(group, ",") {
		list = append(list, strings.TrimSpace(n))
	}
	return list
}

// mayImport: a name is defined once and after those it may import, so this ends.
func (l *layers) mayImport(from, to string) bool {
	return slices.ContainsFunc(l.below[from], func(b string) bool { return b == to || l.mayImport(b, to) })
}

// forbids reports whether the layers say that from must never import to.
func (l *layers) forbids(from, to string) bool {
	return slices.Contains(l.never, [2]string{to, from})
}
