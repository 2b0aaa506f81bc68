package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-proxy/weir/control/textfile"
)

const (
	sizeMax  = 16 << 20 // of a file
	depthMax = 32       // of objects in objects
	filesMax = 1000     // that one configuration includes
)

// reader collects what one load finds: files, the tree, and problems.
type reader struct {
	lines     map[string][]string // of each file read
	including []string            // the chain of files being read, outermost first
	files     map[string]bool     // by absolute name
	texts     map[string]bool     // files whose text stands in for a value
	root      *node
	problems  Problems
	errors    int             // among the problems
	failures  map[string]bool // paths of errors, and of all that is above one: false if it has none of its own
	compared  int             // words, in search of suggestions
	place     positions       // of values
	keys      positions       // of their keys
	shapes    *shapes
	env       func(string) (string, bool)
	hidden    []string // secrets, which no message shows
	options   Options
}

// Options say how a configuration is read.
type Options struct {
	// SkipFiles only warns of files that are not there, but for those that the configuration includes: it is for another machine.
	SkipFiles bool
}

func (o Options) newReader() *reader {
	return &reader{
		options:  o,
		lines:    map[string][]string{},
		files:    map[string]bool{},
		texts:    map[string]bool{},
		root:     &node{kind: mapping},
		failures: map[string]bool{},
		place:    positions{},
		keys:     positions{},
		shapes:   newShapes(),
		env:      os.LookupEnv,
	}
}

func newReader() *reader { return Options{}.newReader() }

// Load reads a file and all it includes. The Config is complete exactly when there are no errors among the problems, and
// nil when there are.
func Load(path string) (*Config, Problems) { return Options{}.Load(path) }

// Load is the function Load.
func (o Options) Load(path string) (*Config, Problems) {
	r := o.newReader()
	if data, ok := r.readFile(path, Pos{File: path}); ok {
		r.add(path, data)
	}
	return r.finish()
}

// Parse is Load with the text of the outermost file given; name is for messages and relative names.
func Parse(name string, data []byte) (*Config, Problems) { return Options{}.Parse(name, data) }

// Parse is the function Parse.
func (o Options) Parse(name string, data []byte) (*Config, Problems) {
	r := o.newReader()
	r.add(name, data)
	return r.finish()
}

func (r *reader) finish() (*Config, Problems) {
	cfg := withDefaults[Config]()
	cfg.positions, cfg.lines, cfg.texts = r.place, r.lines, r.texts
	r.decodeRoot(cfg)
	r.checkWritten(cfg)
	r.resolve(cfg)
	r.checkResolved(cfg)
	r.sortProblems()
	cfg.mask = newMask(r.hidden)
	cfg.mask.problems(r.problems)
	if len(r.problems.Errors()) > 0 {
		return nil, r.problems
	}
	return cfg, r.problems
}

// isSkipped reports whether a file may be missing on this machine.
func (r *reader) isSkipped(err error) bool {
	return r.options.SkipFiles && errors.Is(err, fs.ErrNotExist)
}

// readFile reads a bounded file; from is the place that names it.
func (r *reader) readFile(path string, from Pos) ([]byte, bool) {
	data, err := textfile.ReadAny(path, sizeMax)
	if err != nil {
		r.problem(from, "", "%v", err)
		return nil, false
	}
	return data, true
}

// add parses one file into the tree, then those it includes.
func (r *reader) add(name string, data []byte) {
	if len(data) > sizeMax {
		r.problem(Pos{File: name}, "", "the file is larger than %v", Size(sizeMax))
		return
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // editors on Windows begin UTF-8 with a byte order mark
	r.files[absolute(name)] = true
	r.lines[name] = strings.Split(string(data), "\n")
	tree := r.parse(name, data)
	if tree == nil {
		r.emptyProblem(name)
		return
	}
	include := tree.value("include")
	r.merge(tree)
	r.including = append(r.including, absolute(name))
	r.include(name, include)
	r.including = r.including[:len(r.including)-1]
}

// emptyProblem reports a file that holds nothing, which is probably not meant: the file was not saved, or the wrong one is named.
func (r *reader) emptyProblem(name string) {
	switch pos := (Pos{name, 1, 1}); {
	case len(r.problems.Errors()) > 0:
	case len(r.including) == 0:
		r.problem(pos, "", "the file is empty")
	default:
		r.warn(pos, "", "the file is empty")
	}
}

func (r *reader) include(from string, list *node) {
	for _, item := range list.orList() {
		pattern, ok := r.text(item, "include")
		if !ok {
			continue
		}
		pattern = relativeTo(from, pattern)
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 && !strings.ContainsAny(pattern, "*?[") {
			r.problem(item.pos, "include", "no file %q", pattern)
		}
		slices.Sort(names)
		for _, name := range names {
			r.includeFile(name, item.pos)
		}
	}
}

func (r *reader) includeFile(name string, from Pos) {
	switch {
	case slices.Contains(r.including, absolute(name)):
		r.problem(from, "include", "%s includes itself", name)
	case r.files[absolute(name)]: // named by two globs
	case len(r.files) >= filesMax:
		r.problem(from, "include", "more than %d files", filesMax)
	default:
		if data, ok := r.readFile(name, from); ok {
			r.add(name, data)
		}
	}
}

// merge adds the keys of a file to the tree: maps and lists of the same key are joined, and the decoder finds names
// that then stand twice.
func (r *reader) merge(tree *node) {
	for _, e := range tree.entries {
		old := r.root.value(e.key)
		switch {
		case e.key == "include" && len(r.including) > 0: // taken by add
		case old != nil && old.kind == null && old.file() != e.value.file():
			*old = *e.value
		case old != nil && old.file() != e.value.file() && old.kind == mapping && e.value.kind == mapping:
			old.entries = append(old.entries, e.value.entries...)
		case old != nil && old.file() != e.value.file() && old.kind == sequence && e.value.kind == sequence:
			old.items = append(old.items, e.value.items...)
		default:
			r.root.entries = append(r.root.entries, e)
		}
	}
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// relativeTo reads a file's name as written in the file from.
func relativeTo(from, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(from), name)
}
