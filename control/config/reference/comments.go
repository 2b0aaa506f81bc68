package reference

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
)

// Comments holds the comments of the types and their fields: `Pool` and `Pool.Servers`.
type Comments map[string]string

// ReadComments reads them from the sources of package config.
func ReadComments(dir string) (Comments, error) {
	notTests := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), dir, notTests, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	comments := Comments{}
	for _, p := range packages {
		ast.Inspect(p, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if ok {
				comments.addTypes(decl)
			}
			return true
		})
	}
	return comments, nil
}

func (c Comments) addTypes(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		c[t.Name.Name] = text(decl.Doc)
		if s, ok := t.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					c[t.Name.Name+"."+name.Name] = text(f.Doc)
				}
			}
		}
	}
}

func text(doc *ast.CommentGroup) string {
	return strings.TrimSpace(strings.ReplaceAll(doc.Text(), "\n", " "))
}
