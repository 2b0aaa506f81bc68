package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/control/textfile"
	"github.com/weir-proxy/weir/wire/message"
)

// Redirects are paths of a site that have moved, listed in a file. A bare value is the file.
type Redirects struct {
	// The file. Each line has a path, what it has become, and perhaps a status: `/old.html /new 301`. The path is exact; with a query behind it
	// (`/index.php?id=12 /articles/12`) only that query is meant, byte for byte. The target is as `to` of `redirect` is. Empty lines, what
	// follows a # at the beginning of a line, and a `;` at the end of one, are left out. A file has at most 16MiB.
	File string `yaml:"file,short,required,file" example:"/etc/weir/moved.map"`

	// The status of lines without one: 301, 302, 303, 307 or 308.
	Status int `yaml:"status" default:"308" words:"301 302 303 307 308" example:"301"`

	// Entries are the file's lines.
	Entries []Moved `yaml:"-"`
}

// Moved is a line of a redirects file.
type Moved struct {
	Line     int
	Path     string // without query
	Normal   string // the path in normal form, in lower case where the site's paths know no case
	Query    string // without '?'
	HasQuery bool
	Redirect Redirect
}

// movedProblemsMost bounds how many lines of a file are complained of one by one.
const movedProblemsMost = 20

// moved reads a site's redirects and gives them a route, which inherits what the site's other routes do.
func (r *reader) moved(cfg *Config, site *Site) {
	c := site.Redirects
	path := joinPath(joinPath("sites", site.Name), "redirects")
	if c == nil || c.File == "" || r.failedBelow(path) {
		return
	}
	at := path
	if place := joinPath(path, "file"); r.isWritten(place) {
		at = place
	}
	if data, ok := r.readMoved(at, c.File); ok {
		r.readMovedLines(site, path, at, strings.TrimPrefix(string(data), "\ufeff"))
	}
	route := newIn[Route](r.shapes)
	site.Moved = &route
	site.Moved.Path, site.Moved.Key = "/", path
	site.Moved.Redirect = &Redirect{To: "/", Status: c.Status}
	inheritSettings(&site.Moved.Settings, &site.Settings)
	r.complete(cfg, site.Moved)
}

// readMovedLines takes the lines of a file, and reports all that are wrong: the first ones each, and how many there are more.
func (r *reader) readMovedLines(site *Site, path, at, text string) {
	c := site.Redirects
	r.lines[c.File] = strings.Split(text, "\n")
	m := &movedReader{reader: r, path: path, redirects: c, folds: site.Paths.Known().Case == "ignore", byPath: map[movedKey]int{}}
	for i, line := range r.lines[c.File] {
		fields := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), ";")) // as nginx's maps have it
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		before := len(r.problems)
		m.add(i+1, fields)
		m.bound(before, i+1)
	}
	m.findLoops(site)
	switch {
	case m.wrong > movedProblemsMost:
		r.problem(Pos{File: c.File, Line: m.last, Col: 1}, path, "this line is wrong too; %d lines are, of which the first %d are listed", m.wrong, movedProblemsMost)
	case len(c.Entries) == 0 && m.wrong == 0:
		r.warn(r.at(at), path, "%s lists no path", c.File)
	}
}

// movedReader is what is known while a file is read.
type movedReader struct {
	*reader
	path      string // of `redirects`
	redirects *Redirects
	folds     bool             // paths know no case
	byPath    map[movedKey]int // where in Entries
	wrong     int              // lines
	last      int              // the last of them
}

// movedKey is what a line is found by.
type movedKey struct {
	path, query string
	hasQuery    bool
}

// bound counts a line that is wrong, whose problems begin at before, and drops these if there are many already.
func (m *movedReader) bound(before, line int) {
	if len(m.problems) == before {
		return
	}
	if m.wrong++; m.wrong > movedProblemsMost {
		m.problems, m.last = m.problems[:before], line
	}
}

func (r *reader) readMoved(path, file string) ([]byte, bool) {
	info, err := textfile.Stat(file)
	switch {
	case r.isSkipped(err):
		r.warn(r.at(path), path, "%v", err)
	case err != nil:
		r.wrong(path, "%v", err)
	case !info.Mode().IsRegular():
		r.wrong(path, "%s is not a regular file", file)
	case info.Size() > sizeMax:
		r.wrong(path, "%s is larger than %v", file, Size(sizeMax))
	default:
		return r.readFile(file, r.at(path))
	}
	return nil, false
}

// add takes a line's fields apart.
func (r *movedReader) add(line int, fields []string) {
	path, c := r.path, r.redirects
	pos := Pos{File: c.File, Line: line, Col: 1}
	if len(fields) == 1 || len(fields) > 3 {
		r.problem(pos, path, "want a path, a target and perhaps a status, such as: /old.html /new 301")
		return
	}
	m := Moved{Line: line, Redirect: Redirect{To: fields[1], Status: c.Status}}
	m.Path, m.Query, m.HasQuery = strings.Cut(fields[0], "?")
	switch {
	case !strings.HasPrefix(m.Path, "/"):
		r.problem(pos, path, "a path starts with /, not %q; hosts are sites of their own", fields[0])
		return
	case strings.Contains(m.Path, "*"):
		r.problem(pos, path, "%q: paths are exact here; write a prefix as a route of the site", fields[0])
		return
	case strings.Contains(fields[0], "#") || hasControl(fields[0]):
		r.problem(pos, path, "%q holds bytes that a request's path and query cannot have", fields[0])
		return
	}
	normal, err := message.NormalOfWritten(m.Path)
	if err != nil {
		r.problem(pos, path, "%q: no request matches it: %v", fields[0], err)
		return
	}
	if r.folds {
		normal = strings.ToLower(normal)
	}
	if m.Normal = normal; normal == m.Path {
		m.Normal = m.Path // one copy of the text
	}
	if first, is := r.byPath[m.key()]; is {
		r.problem(pos, path, "%q stands in line %d already, or another path there means the same", fields[0], c.Entries[first].Line)
		return
	}
	if len(fields) == 3 {
		status, err := strconv.Atoi(fields[2])
		if err != nil || !isRedirectStatus(status) {
			r.problem(pos, path, "want the status 301, 302, 303, 307 or 308, not %q", fields[2])
			return
		}
		m.Redirect.Status = status
	}
	key := fmt.Sprintf("%s:%d", path, line)
	r.place[key] = pos
	before := len(r.problems)
	r.checkRedirect(key, "/", &m.Redirect)
	if len(r.problems) == before {
		delete(r.place, key) // a file may have very many lines
		r.byPath[m.key()] = len(c.Entries)
		c.Entries = append(c.Entries, m)
	}
}

func (m *Moved) key() movedKey { return movedKey{m.Normal, m.Query, m.HasQuery} }

func isRedirectStatus(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}
