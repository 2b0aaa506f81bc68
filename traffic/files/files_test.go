package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var changed = time.Date(2026, 3, 4, 5, 6, 7, 89, time.UTC)

// tree makes files by name with their texts.
func tree(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		name = filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, changed, changed)
	}
	return dir
}

func TestWhatIsFound(t *testing.T) {
	dir := tree(t, map[string]string{
		"index.html": "front", "docs/index.html": "docs", "docs/a b.txt": "blank", "empty/x/y.txt": "deep",
		".git/config": "secret", ".well-known/acme": "token", "docs/.htaccess": "secret",
		"big.bin": strings.Repeat("x", wholeMost+1), "fünf.txt": "5",
	})
	outside := tree(t, map[string]string{"passwd": "secret"})
	os.Symlink(filepath.Join(outside, "passwd"), filepath.Join(dir, "leak"))
	os.Symlink(outside, filepath.Join(dir, "leaks"))
	os.Symlink("docs/index.html", filepath.Join(dir, "link.html"))
	syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644)
	r := &Root{Config{Root: dir, Index: []string{"none.html", "index.html"}}}
	for path, want := range map[string]any{
		"/": "front", "/index.html": "front", "/docs/": "docs", "/docs": ErrDirectory, "": ErrDirectory, "/docs/a%20b.txt": "blank", "/empty/": ErrNotFound,
		"/empty/x/y.txt": "deep", "/nothing": ErrNotFound, "/index.html/": ErrNotFound, "/index.html/x": ErrNotFound,
		"/.git/config": ErrNotFound, "/docs/.htaccess": ErrNotFound, "/.well-known/acme": "token", "/%2egit/config": ErrNotFound,
		"/../passwd": ErrNotFound, "/leak": ErrNotFound, "/leaks/passwd": ErrNotFound, "/link.html": "docs", "/pipe": ErrNotFound,
		"/docs/a%00b": ErrNotFound, "/f%C3%BCnf.txt": "5", "/%zz": ErrNotFound, "/" + strings.Repeat("a", 5000): ErrNotFound,
	} {
		f, err := r.Find(path, 0)
		if wanted, isErr := want.(error); isErr {
			if !errors.Is(err, wanted) {
				t.Errorf("%.40q: %v, want %v", path, err, wanted)
			}
			continue
		}
		if err != nil || string(f.Whole) != want || f.Size != int64(len(f.Whole)) || !f.Modified.Equal(changed) {
			t.Errorf("%q: %+v, %v; want %q", path, f, err, want)
		}
	}
	big, err := r.Find("/big.bin", 0)
	if err != nil || big.Whole != nil || big.Handle() == nil || big.Size != wholeMost+1 {
		t.Errorf("a large file: %+v, %v", big, err)
	}
	big.Close()
	r.Fallback = "/index.html"
	if f, err := r.Find("/an/application/of/one/page", 0); err != nil || string(f.Whole) != "front" {
		t.Errorf("the fallback: %v", err)
	}
	if _, err := (&Root{Config{Root: dir + "/nowhere"}}).Find("/", 0); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestADirectoryThatIsReplacedIsFollowed(t *testing.T) {
	one, two, at := tree(t, map[string]string{"v": "1"}), tree(t, map[string]string{"v": "2"}), filepath.Join(t.TempDir(), "current")
	r := &Root{Config{Root: at}}
	for i, dir := range []string{one, two} {
		os.Remove(at)
		os.Symlink(dir, at)
		if f, err := r.Find("/v", 0); err != nil || f.Whole[0] != byte('1'+i) {
			t.Errorf("release %d: %v", i+1, err)
		}
	}
}

func TestPrecompressedSiblings(t *testing.T) {
	dir := tree(t, map[string]string{"a.css": "plain", "a.css.gz": "gz", "a.css.br": "br", "b.css": "plain", "b.css.zst": "zst",
		"old.css": "plain", "old.css.gz": "stale", "none.css": "plain"})
	os.Chtimes(filepath.Join(dir, "old.css.gz"), changed, changed.Add(-3*time.Second))
	os.Chtimes(filepath.Join(dir, "a.css.br"), changed, changed.Add(-time.Second))
	r := &Root{Config{Root: dir, Precompressed: true}}
	for _, c := range []struct {
		path, accept, want string
		coding             Encoding
		varies             bool
	}{
		{"/a.css", "gzip, deflate, br, zstd", "br", Brotli, true},
		{"/a.css", "gzip", "gz", Gzip, true},
		{"/a.css", "br;q=0.5, gzip;q=0.8", "gz", Gzip, true},
		{"/a.css", "br;q=0, *", "gz", Gzip, true},
		{"/a.css", "BR ; Q=1.0", "br", Brotli, true},
		{"/a.css", "", "plain", Identity, true},
		{"/a.css", "identity, gzip;q=0", "plain", Identity, true},
		{"/a.css", "gzip;q=2, br;q=x", "plain", Identity, true},
		{"/b.css", "gzip, zstd", "zst", Zstd, true},
		{"/b.css", "gzip", "plain", Identity, true},
		{"/old.css", "gzip", "plain", Identity, false},
		{"/none.css", "gzip, br", "plain", Identity, false},
		{"/a.css.gz", "gzip", "gz", Identity, false},
	} {
		f, err := r.Find(c.path, ParseAccept([]byte(c.accept)))
		if err != nil || string(f.Whole) != c.want || f.Encoding != c.coding || f.Varies != c.varies {
			t.Errorf("%s for %q: %+v, %v", c.path, c.accept, f, err)
		}
	}
}

func TestConditions(t *testing.T) {
	f := &File{Size: 10, Modified: changed}
	f.ETag = etag(f)
	const at, later, earlier = "Wed, 04 Mar 2026 05:06:07 GMT", "Wed, 04 Mar 2026 05:06:08 GMT", "Wed, 04 Mar 2026 05:06:06 GMT"
	b := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		c    Conditions
		want int
	}{
		{Conditions{}, 200},
		{Conditions{IfNoneMatch: b(f.ETag)}, 304},
		{Conditions{IfNoneMatch: b(`"a,b", W/` + f.ETag)}, 304},
		{Conditions{IfNoneMatch: b("*")}, 304},
		{Conditions{IfNoneMatch: b(`"other"`)}, 200},
		{Conditions{IfNoneMatch: b(`"other"`), IfModifiedSince: b(at)}, 200}, // If-Modified-Since is ignored then
		{Conditions{IfModifiedSince: b(at)}, 304},
		{Conditions{IfModifiedSince: b(later)}, 304},
		{Conditions{IfModifiedSince: b(earlier)}, 200},
		{Conditions{IfModifiedSince: b("Wednesday, 04-Mar-26 05:06:07 GMT")}, 304},
		{Conditions{IfModifiedSince: b("Wed Mar  4 05:06:07 2026")}, 304},
		{Conditions{IfModifiedSince: b("yesterday")}, 200},
		{Conditions{IfMatch: b(f.ETag)}, 200},
		{Conditions{IfMatch: b("*")}, 200},
		{Conditions{IfMatch: b("W/" + f.ETag)}, 412}, // strong comparison
		{Conditions{IfMatch: b(`"other"`)}, 412},
		{Conditions{IfMatch: b(f.ETag), IfUnmodifiedSince: b(earlier)}, 200}, // ignored then
		{Conditions{IfUnmodifiedSince: b(earlier)}, 412},
		{Conditions{IfUnmodifiedSince: b(at)}, 200},
		{Conditions{IfMatch: b(f.ETag), IfNoneMatch: b(f.ETag)}, 304},
	} {
		if got := c.c.Status(f); got != c.want {
			t.Errorf("%+v: %d, want %d", c.c, got, c.want)
		}
	}
}

func TestRanges(t *testing.T) {
	f := &File{Size: 10, Modified: changed}
	f.ETag = etag(f)
	for _, c := range []struct {
		value, ifRange string
		want           []Span
		ok             bool
	}{
		{"bytes=0-4", "", []Span{{0, 5}}, true},
		{"bytes=5-", "", []Span{{5, 5}}, true},
		{"bytes=-3", "", []Span{{7, 3}}, true},
		{"bytes=-30", "", []Span{{0, 10}}, true},
		{"bytes=8-100", "", []Span{{8, 2}}, true},
		{"bytes=9-9", "", []Span{{9, 1}}, true},
		{"bytes=0-0, 2-3,, -1", "", []Span{{0, 1}, {2, 2}, {9, 1}}, true},
		{"bytes=10-", "", nil, false},
		{"bytes=-0", "", nil, false},
		{"bytes=20-30, 40-", "", nil, false},
		{"bytes=20-30, 1-1", "", []Span{{1, 1}}, true},
		{"bytes=99999999999999999999-", "", nil, false},
		{"bytes=0-4", f.ETag, []Span{{0, 5}}, true},
		{"bytes=0-4", `"other"`, nil, true},
		{"bytes=0-4", "W/" + f.ETag, nil, true},
		{"bytes=0-4", "Wed, 04 Mar 2026 05:06:07 GMT", []Span{{0, 5}}, true},
		{"bytes=0-4", "Wed, 04 Mar 2026 05:06:06 GMT", nil, true},
		// What may be ignored: malformed, of another unit, too much.
		{"bytes=4-2", "", nil, true}, {"bytes=", "", nil, true}, {"bytes=a-b", "", nil, true}, {"bytes=-", "", nil, true}, {"bytes=1", "", nil, true},
		{"lines=0-4", "", nil, true}, {"bytes=0-9,0-9", "", nil, true},
		{"bytes=" + strings.Repeat("0-0,", spansMost+1), "", nil, true},
	} {
		r := Conditions{Range: []byte(c.value)}
		if c.ifRange != "" {
			r.IfRange = []byte(c.ifRange)
		}
		got, ok := r.Ranges(f)
		if ok != c.ok || len(got) != len(c.want) {
			t.Errorf("%.40s if %s: %v, %v; want %v, %v", c.value, c.ifRange, got, ok, c.want, c.ok)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%.40s: %v, want %v", c.value, got, c.want)
			}
		}
	}
}
