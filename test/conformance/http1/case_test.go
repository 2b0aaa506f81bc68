package http1

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A testCase is one input and what must come of it. In its file it looks like this:
//
//	== plus-sign: 400
//	> POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello
//
// After the name come the statuses of the answers in turn, alternatives with a slash, and then words: see `words`.
// Lines that begin with > are sent, in requests by the client and in responses by the server. `eof` ends the
// sender's direction. `sees TEXT` and `hides TEXT` must and must not be in what the server got, `body TEXT` is the
// last answer's body. In all of them \r \n \t \\ \xNN are bytes and \{N*TEXT} is TEXT N times. A line that begins
// with # is a comment.
type testCase struct {
	Name     string // file/name
	Statuses [][]string
	Words    []string
	Sent     []byte // by the side under test
	Asked    []byte // in responses: the client's request, if not a GET
	EOF      bool
	Sees     [][]byte
	Hides    [][]byte
	Body     []byte // nil: any
}

// words are what may follow the statuses. Without one of the first three, the client's connection is kept after a
// 2xx and closed after anything else.
var words = []string{
	"keep",    // the client's connection is kept
	"close",   // it is closed
	"either",  // both are right
	"alone",   // no further request is sent behind this one: it would be taken for a part of it
	"partial", // the fault is seen late: part of the request may have reached the server, but no whole one
	"reuse",   // in responses: the server's connection is kept
	"again",   // in responses: the request may be tried on another connection
}

func (c *testCase) is(word string) bool { return slices.Contains(c.Words, word) }

// load reads all cases of a directory.
func load(t *testing.T, dir string) []*testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	var cases []*testCase
	for _, file := range files {
		read, err := parse(file)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, read...)
	}
	for i, c := range cases {
		if slices.ContainsFunc(cases[:i], func(d *testCase) bool { return d.Name == c.Name }) {
			t.Fatalf("%s: two cases of this name", c.Name)
		}
	}
	return cases
}

// parse reads the cases of one file.
func parse(file string) ([]*testCase, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	class := strings.TrimSuffix(filepath.Base(file), ".txt")
	var cases []*testCase
	line := 0
	for l := range strings.Lines(string(text)) {
		line++
		if err := parseLine(&cases, class, strings.TrimSuffix(l, "\n")); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
	return cases, nil
}

// parseLine adds one line to the last case, or begins the next.
func parseLine(cases *[]*testCase, class, line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	key, rest, _ := strings.Cut(line, " ")
	if key == "==" {
		c, err := parseHeading(class, rest)
		*cases = append(*cases, c)
		return err
	}
	if len(*cases) == 0 {
		return fmt.Errorf("%q before the first case", line)
	}
	c := (*cases)[len(*cases)-1]
	raw, err := unescape(rest)
	if err != nil {
		return err
	}
	switch key {
	case ">":
		c.Sent = append(c.Sent, raw...)
	case "asked":
		c.Asked = append(c.Asked, raw...)
	case "sees":
		c.Sees = append(c.Sees, raw)
	case "hides":
		c.Hides = append(c.Hides, raw)
	case "body":
		c.Body = append([]byte{}, raw...)
	case "eof":
		c.EOF = true
	default:
		return fmt.Errorf("%q is none of > asked sees hides body eof", key)
	}
	return nil
}

// parseHeading reads "name: statuses words".
func parseHeading(class, text string) (*testCase, error) {
	name, expectation, ok := strings.Cut(text, ": ")
	fields := strings.Fields(expectation)
	if !ok || len(fields) == 0 {
		return nil, fmt.Errorf("%q: want a name, a colon and the statuses", text)
	}
	c := &testCase{Name: class + "/" + name, Words: fields[1:]}
	for status := range strings.SplitSeq(fields[0], ",") {
		c.Statuses = append(c.Statuses, strings.Split(status, "/"))
	}
	for _, w := range c.Words {
		if !slices.Contains(words, w) {
			return nil, fmt.Errorf("%q is none of %q", w, words)
		}
	}
	return c, nil
}

// unescape turns a line of a case into bytes.
func unescape(s string) ([]byte, error) {
	var out []byte
	for len(s) > 0 {
		if repeated, ok := strings.CutPrefix(s, `\{`); ok {
			inner, rest, closed := strings.Cut(repeated, "}")
			count, text, starred := strings.Cut(inner, "*")
			n, err := strconv.Atoi(count)
			if !closed || !starred || err != nil {
				return nil, fmt.Errorf("%q: want \\{N*TEXT}", s)
			}
			one, err := unescape(text)
			if err != nil {
				return nil, err
			}
			out = append(out, strings.Repeat(string(one), n)...)
			s = rest
			continue
		}
		if s[0] != '\\' {
			out, s = append(out, s[0]), s[1:]
			continue
		}
		r, _, rest, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		out, s = append(out, byte(r)), rest
	}
	return out, nil
}
