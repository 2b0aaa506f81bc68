package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/weir-proxy/weir"
	root   = "../.."
)

// goPackage is a directory with Go files.
type goPackage struct {
	path  string // from the root of the module, with slashes
	files []*goFile
}

// goFile is one parsed file.
type goFile struct {
	name  string // from the root of the module, with slashes
	set   *token.FileSet
	text  *ast.File
	lines int
}

func (f *goFile) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// at is a place for messages.
func (f *goFile) at(pos token.Pos) string {
	return f.name + ":" + strconv.Itoa(f.set.Position(pos).Line)
}

// imports are the import paths of the file; those within the module begin at its root.
func (f *goFile) imports() []string {
	var list []string
	for _, i := range f.text.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		list = append(list, strings.TrimPrefix(path, module+"/"))
	}
	return list
}

// packages parses every Go file of the module, for whatever system: so a rule holds for the files of all of them. Files are read by the
// test itself and not by `go list`, so that go test sees what its result depends on.
func packages(t *testing.T) []*goPackage {
	t.Helper()
	var list []*goPackage
	eachFile(t, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		i := slices.IndexFunc(list, func(p *goPackage) bool { return p.path == dir })
		if i < 0 {
			i = len(list)
			list = append(list, &goPackage{path: dir})
		}
		list[i].files = append(list[i].files, parse(t, name))
	})
	if len(list) < 20 {
		t.Fatalf("found %d packages: the walk is broken", len(list))
	}
	return list
}

func parse(t *testing.T, name string) *goFile {
	t.Helper()
	set := token.NewFileSet()
	text, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return &goFile{name: name, set: set, text: text, lines: set.File(text.Pos()).LineCount()}
}

// eachFile calls f for the files of the module, with names from its root. Modules within it are others' concern.
func eachFile(t *testing.T, f func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		name = filepath.ToSlash(name)
		if !d.IsDir() {
			f(name)
			return nil
		}
		if name == "build" || d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && name != "." {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read returns a file of the tree.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
