package files

import (
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// Config is what is served of a directory. Immutable.
type Config struct {
	Root          string   // the directory's path
	Index         []string // names looked for where a directory is asked for
	Precompressed bool     // a sibling name.br, .zst or .gz is sent to those who take it
	Fallback      string   // served where nothing is found, as an application of one page wants; "": 404
}

// Root is a directory that is served. Its methods may be called from any goroutine. It is opened anew for each search, so that what is served
// follows when the directory is replaced, as by a link that deployment moves.
type Root struct{ Config }

// search is a look into the directory as it is now.
type search struct {
	Config
	dir *os.Root
}

// What Find ends with besides a file.
var (
	ErrNotFound  = errors.New("no such file")
	ErrDirectory = errors.New("a directory without the slash at its end") // the client is sent to the name with it
	ErrForbidden = errors.New("not allowed to read the file")
)

// wholeMost is the size up to which a file is read when it is found, and sent from memory.
const wholeMost = 32 << 10

// File is a file that was found, open, and in memory as a whole where it is small. Immutable; its owner closes it.
type File struct {
	Size     int64
	Modified time.Time
	Type     string // Content-Type
	Encoding Encoding
	Varies   bool // by what the client accepts
	ETag     string
	Whole    []byte // nil for a larger file
	IsRecent bool   // written to so shortly before it was read that its time would be the same if it were written to again
	handle   *os.File
}

// Handle is the open file; nil for one that is whole and was let go.
func (f *File) Handle() *os.File { return f.handle }

// LetGo takes the descriptor from a file that is whole, which is sent from memory as before. The caller closes it.
func (f *File) LetGo() (close func()) {
	h := f.handle
	f.handle = nil
	return func() { h.Close() }
}

// Descriptors is how many descriptors the file holds.
func (f *File) Descriptors() int {
	if f.handle == nil {
		return 0
	}
	return 1
}

// Close closes the file.
func (f *File) Close() {
	if f.handle != nil {
		f.handle.Close()
	}
}

// Find opens what a path names, which has its normal form and may be percent-encoded. It may wait for the disk.
func (r *Root) Find(name string, accept Accept) (*File, error) {
	dir, err := os.OpenRoot(r.Config.Root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	s := &search{r.Config, dir}
	f, err := s.find(name, accept)
	if errors.Is(err, ErrNotFound) && s.Fallback != "" {
		return s.open(strings.TrimPrefix(s.Fallback, "/"), accept)
	}
	return f, err
}

func (s *search) find(name string, accept Accept) (*File, error) {
	if hidesSlash(name) {
		return nil, ErrNotFound // routes have been decided on another name
	}
	name, err := url.PathUnescape(name)
	if err != nil || !isPlain(name) {
		return nil, ErrNotFound
	}
	asksDirectory := strings.HasSuffix(name, "/")
	name = strings.Trim(path.Clean(name), "/")
	if name == "" {
		name = "."
	}
	info, err := s.dir.Stat(name)
	switch {
	case err != nil:
		return nil, plain(err)
	case info.IsDir() && !asksDirectory:
		return nil, ErrDirectory
	case info.IsDir():
		return s.index(name, accept)
	case asksDirectory:
		return nil, ErrNotFound
	}
	return s.open(name, accept)
}

// hidesSlash reports whether a slash or backslash is encoded in the name.
func hidesSlash(name string) bool {
	for i := 0; i+2 < len(name); i++ {
		if name[i] == '%' && (name[i+1] == '2' && name[i+2]|0x20 == 'f' || name[i+1] == '5' && name[i+2]|0x20 == 'c') {
			return true
		}
	}
	return false
}

func (s *search) index(dir string, accept Accept) (*File, error) {
	for _, name := range s.Index {
		if f, err := s.open(path.Join(dir, name), accept); err == nil {
			return f, nil
		}
	}
	return nil, ErrNotFound
}

// open opens a file, or the sibling of it that the client likes best.
func (s *search) open(name string, accept Accept) (*File, error) {
	f, err := s.openOne(name, TypeOf(name), Identity)
	if err != nil || !s.Precompressed || isCompressed(name) {
		return f, err
	}
	for _, e := range all {
		info, err := s.dir.Stat(name + e.suffix())
		if err != nil || !info.Mode().IsRegular() || outdated(info.ModTime(), f) {
			continue
		}
		f.Varies = true
	}
	if !f.Varies {
		return f, nil
	}
	for _, e := range accept.order() {
		sibling, err := s.openOne(name+e.suffix(), f.Type, e)
		if err == nil && !outdated(sibling.Modified, f) {
			sibling.Varies = true
			f.Close()
			return sibling, nil
		}
	}
	return f, nil
}

// outdated says that a sibling is of an older file. Within two seconds it is not: who deploys writes files in any order, and some file systems count in such steps.
func outdated(sibling time.Time, f *File) bool {
	return sibling.Before(f.Modified.Add(-2 * time.Second))
}

func (s *search) openOne(name, kind string, e Encoding) (*File, error) {
	// Without O_NONBLOCK a named pipe would make the worker wait for ever.
	h, err := s.dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, plain(err)
	}
	f := &File{Type: kind, Encoding: e, handle: h}
	for try := 1; ; try++ {
		switch err := f.read(); {
		case err == nil:
			return f, nil
		case try < readTries && (err == io.EOF || err == io.ErrUnexpectedEOF):
		default:
			h.Close()
			return nil, ErrNotFound // no regular file, or it is being changed
		}
	}
}

// readTries is how often a file is read that becomes shorter meanwhile; recent is more than the steps in which the system notes when a file was written to.
const (
	readTries = 3
	recent    = 20 * time.Millisecond
)

// read learns what is known of the open file, and reads a small one.
func (f *File) read() error {
	info, err := f.handle.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ErrNotFound
	}
	f.Size, f.Modified = info.Size(), info.ModTime()
	f.ETag = etag(f)
	if f.Size > wholeMost {
		f.Whole = nil
		return nil
	}
	f.IsRecent = time.Since(f.Modified).Abs() < recent
	f.Whole = make([]byte, f.Size)
	_, err = f.handle.ReadAt(f.Whole, 0)
	if err == io.EOF && f.Size == 0 {
		return nil
	}
	return err
}

// isPlain reports whether no part of a path is hidden: names that begin with a dot hold what nobody meant to publish, but for .well-known
// (RFC 8615).
func isPlain(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" || strings.IndexByte(part, 0) >= 0 {
			return false
		}
	}
	return true
}

// plain turns an error of the system into one of this package. A link that leads out of the directory is not there.
func plain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return ErrForbidden
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EIO) {
		return err
	}
	return ErrNotFound
}
