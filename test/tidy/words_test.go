package tidy

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every package says in one sentence what it is for, and who calls it: whoever knows that need not read it to know where a change goes.
func TestPackagesSayWhatTheyAreForAndWhoCallsThem(t *testing.T) {
	for _, p := range packages(t) {
		doc, name := "", ""
		for _, f := range p.files {
			if f.text.Doc != nil {
				doc, name = f.text.Doc.Text(), f.name
			}
		}
		if doc == "" {
			t.Errorf("%s: has no package comment", p.path)
			continue
		}
		kind := "Package " + path.Base(p.path)
		if p.files[0].text.Name.Name == "main" {
			kind = "Command " + path.Base(p.path)
		}
		if !strings.HasPrefix(doc, kind+" ") {
			t.Errorf("%s: the package comment does not begin with %q", name, kind)
		}
		if strings.HasPrefix(kind, "Package") && !callers.MatchString(doc) {
			t.Errorf("%s: the package comment does not say who calls it", name)
		}
		if path.Base(name) != "doc.go" && strings.HasPrefix(kind, "Package") {
			t.Errorf("%s: the package comment does not stand in doc.go, where it is looked for", name)
		}
	}
}

var callers = regexp.MustCompile(`(?i)\bcalled by\b|\bcall it\b|\bread by\b`)

// These words say nothing, so everything fits behind them.
func TestNamesSaySomething(t *testing.T) {
	empty := []string{"util", "utils", "common", "helper", "helpers", "manager", "base", "misc", "shared"}
	for _, p := range packages(t) {
		if slices.Contains(empty, path.Base(p.path)) {
			t.Errorf("%s: a package of this name takes anything", p.path)
		}
		for _, f := range p.files {
			word := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.name), ".go"), "_test")
			if slices.Contains(empty, word) {
				t.Errorf("%s: a file of this name takes anything", f.name)
			}
			for _, d := range f.text.Decls {
				for _, name := range typesOf(d) {
					if vague.MatchString(name.Name) {
						t.Errorf("%s: type %s: name what it does or holds", f.at(name.Pos()), name.Name)
					}
				}
			}
		}
	}
}

var vague = regexp.MustCompile(`(Manager|Helper|Util|Utils|Info|Data|Common|Base)$`)

func typesOf(d ast.Decl) []*ast.Ident {
	gen, ok := d.(*ast.GenDecl)
	if !ok {
		return nil
	}
	var list []*ast.Ident
	for _, s := range gen.Specs {
		if ts, ok := s.(*ast.TypeSpec); ok {
			list = append(list, ts.Name)
		}
	}
	return list
}

// VOCABULARY.md has one word per thing. These are the words that other proxies have for what has another name here: two words for a thing
// are two places to look for it.
func TestCodeUsesTheVocabulary(t *testing.T) {
	avoid := regexp.MustCompile(`(?i)^(upstreams?|downstreams?|backends?|frontends?|vhosts?|virtual_?(host|server)s?|middlewares?|stickiness|sticky_?session)$`)
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path, "test/") {
			continue // speaks of other proxies, in their words
		}
		for _, f := range p.files {
			ast.Inspect(f.text, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && avoid.MatchString(id.Name) {
					t.Errorf("%s: %s: VOCABULARY.md has another word for it", f.at(id.Pos()), id.Name)
				}
				return true
			})
		}
	}
}

// A long file hides what it holds. The limit is where a question becomes a decision; none has been taken so far.
func TestFilesAreShort(t *testing.T) {
	const most = 600
	for _, p := range packages(t) {
		for _, f := range p.files {
			if f.lines > most {
				t.Errorf("%s: %d lines: one idea per file, at most %d", f.name, f.lines, most)
			}
		}
	}
}
