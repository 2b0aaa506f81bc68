package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse turns a file into a tree, nil when its text is no YAML or holds nothing.
func (r *reader) parse(name string, data []byte) *node {
	if !utf8.Valid(data) {
		r.problem(Pos{File: name}, "", "the file is not UTF-8")
		return nil
	}
	file, err := parseYAML(data)
	if err != nil {
		r.syntaxProblem(name, err)
		return nil
	}
	body := documentOf(file)
	if len(file.Docs) > 1 {
		pos := Pos{name, 1, 1}
		if second := file.Docs[1].Start; second != nil {
			pos = posOf(name, second)
		}
		r.problem(pos, "", "a file is one document; put the rest into a file of its own and include it")
	}
	if body == nil {
		return nil
	}
	tree := r.convert(name, body, 0)
	if tree.kind != mapping {
		if tree.kind == broken {
			return nil
		}
		r.problem(tree.pos, "", "want keys such as pools and sites, not %v", tree.kind)
		return nil
	}
	return tree
}

func documentOf(file *ast.File) ast.Node {
	if len(file.Docs) == 0 {
		return nil
	}
	return file.Docs[0].Body
}

// parseYAML is the library's parser, kept from stack exhaustion by a bound on nesting and from ending the process by
// panics on text that it did not foresee.
func parseYAML(data []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not understood as YAML: %v", p)
		}
	}()
	tokens := joinPlainColons(lexer.Tokenize(string(data)))
	if deep := tooDeep(tokens); deep != nil {
		return nil, &yaml.SyntaxError{Message: fmt.Sprintf("nested more than %d levels deep", depthMax), Token: deep}
	}
	// Comments are taken out first: inside brackets the library does not expect them.
	tokens = slices.DeleteFunc(tokens, func(t *token.Token) bool { return t.Type == token.CommentType })
	link(tokens)
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// tooDeep returns the token at which nesting exceeds the bound: of brackets, of "- - -" and "? ? ?" on a line, or of
// indentation.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, line, inLine := 0, 0, 0
	var indents []int
	for _, t := range tokens {
		if t.Position.Line != line {
			line, inLine = t.Position.Line, 0
			indents = pushIndent(indents, t.Position.Column)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inLine++
		}
		if brackets+inLine+len(indents) > depthMax {
			return t
		}
	}
	return nil
}

func pushIndent(indents []int, column int) []int {
	for len(indents) > 0 && indents[len(indents)-1] >= column {
		indents = indents[:len(indents)-1]
	}
	return append(indents, column)
}

func (r *reader) syntaxProblem(name string, err error) {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil || syntax.Token.Position == nil {
		r.problem(Pos{File: name}, "", "%v", strings.SplitN(err.Error(), "\n", 2)[0])
		return
	}
	r.problem(posOf(name, syntax.Token), "", "%s", syntax.Message)
}

func posOf(name string, t *token.Token) Pos {
	return Pos{name, max(1, t.Position.Line), max(1, t.Position.Column)}
}

// convert turns the library's tree into ours, which is smaller and knows its file. What has been reported
// becomes a broken node.
func (r *reader) convert(name string, n ast.Node, depth int) *node {
	pos := posOf(name, n.GetToken())
	if depth > depthMax {
		r.problem(pos, "", "nested more than %d levels deep", depthMax)
		return &node{kind: broken, pos: pos}
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.convertMapping(name, pos, n.Values, depth)
	case *ast.MappingValueNode:
		return r.convertMapping(name, pos, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return r.convertSequence(name, pos, n, depth)
	case *ast.NullNode:
		return &node{kind: null, pos: pos}
	case *ast.LiteralNode:
		return &node{kind: scalar, pos: pos, text: n.Value.Value, quoted: true}
	case *ast.StringNode:
		quoted := n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
		return &node{kind: scalar, pos: pos, text: n.Value, quoted: quoted}
	case *ast.AnchorNode, *ast.AliasNode:
		r.problem(pos, "", "anchors and aliases (&, *) are not taken, because each value should stand where it is read; put what is shared under defaults, or quote a text that starts so")
	case *ast.TagNode:
		r.problem(pos, "", "tags (!) are not taken; quote a text that starts so")
	case ast.ScalarNode:
		return &node{kind: scalar, pos: pos, text: n.GetToken().Value}
	default:
		r.problem(pos, "", "not understood here")
	}
	return &node{kind: broken, pos: pos}
}

func (r *reader) convertMapping(name string, pos Pos, values []*ast.MappingValueNode, depth int) *node {
	m := &node{kind: mapping, pos: pos}
	for i, v := range values {
		key, ok := v.Key.(ast.ScalarNode)
		keyPos := posOf(name, v.Key.GetToken())
		if i == 0 && keyPos.Line <= pos.Line && keyPos.Col <= pos.Col {
			m.pos = keyPos // the library places a block mapping at its first colon
		}
		if _, isMerge := v.Key.(*ast.MergeKeyNode); isMerge || !ok {
			r.problem(keyPos, "", "a key is a plain word or a quoted text")
			continue
		}
		m.entries = append(m.entries, entry{keyText(key), keyPos, r.convert(name, v.Value, depth+1)})
	}
	return m
}

func keyText(key ast.ScalarNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.GetToken().Value
}

func (r *reader) convertSequence(name string, pos Pos, n *ast.SequenceNode, depth int) *node {
	list := &node{kind: sequence, pos: pos}
	for _, v := range n.Values {
		list.items = append(list.items, r.convert(name, v, depth+1))
	}
	return list
}
