package exchange

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/files"
)

// A file in memory is taken to be as it was read for wholeFresh, and no longer: with a descriptor or without, and where its time tells nothing.
func TestSmallFilesAreLookedAtAgain(t *testing.T) {
	e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	dir := t.TempDir()
	root, name, hourAgo := &files.Root{Config: files.Config{Root: dir}}, filepath.Join(dir, "f"), time.Now().Add(-time.Hour)
	write := func(text string, at time.Time) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, at, at)
	}
	for title, c := range map[string]struct {
		then   string
		at     time.Time
		letGo  bool
		recent bool
		isNew  bool
	}{
		"untouched":                     {then: "before", at: hourAgo},
		"of the same length":            {then: "behind", at: hourAgo.Add(time.Millisecond), isNew: true},
		"longer":                        {then: "before it", at: hourAgo, isNew: true},
		"without a descriptor":          {then: "before", at: hourAgo, letGo: true, isNew: true}, // nobody knows
		"written to again at once":      {then: "behind", at: hourAgo, recent: true, isNew: true},
		"removed, which its name tells": {at: hourAgo},
	} {
		cache := &fileCache{loop: e.Loops()[0]}
		write("before", hourAgo)
		found, err := root.Find("/f", 0)
		if err != nil || found.Handle() == nil || string(found.Whole) != "before" || found.IsRecent {
			t.Fatalf("%s: %+v %v", title, found, err)
		}
		found.IsRecent = c.recent
		if c.letGo {
			found.LetGo()()
		}
		f := cache.put(fileKey{root, 0, "/f"}, found, 1000, 1005)
		if c.then == "" {
			os.Remove(name)
		} else {
			write(c.then, c.at)
		}
		get := func(now int64) bool {
			f := cache.get(root, 0, []byte("/f"), now)
			if f != nil {
				cache.release(f)
			}
			return f != nil
		}
		if !get(1009) {
			t.Errorf("%s: looked at before its time", title)
		}
		if got := get(1010); got == c.isNew {
			t.Errorf("%s: found %v after %d ms", title, got, wholeFresh)
		}
		if get(2005) {
			t.Errorf("%s: its name was not looked up again", title)
		}
		cache.release(f)
		cache.sweep(1 << 40)
		if cache.open != 0 || cache.bytes != 0 {
			t.Errorf("%s: %d descriptors and %d bytes are left", title, cache.open, cache.bytes)
		}
	}
}

// A file that was written to a moment ago may be written to again at what the system calls the same time.
func TestARecentFileIsFoundToBeRecent(t *testing.T) {
	dir := t.TempDir()
	root := &files.Root{Config: files.Config{Root: dir}}
	for age, want := range map[time.Duration]bool{0: true, time.Second: false, -time.Hour: false} {
		name := filepath.Join(dir, "f")
		os.WriteFile(name, []byte("x"), 0o600)
		os.Chtimes(name, time.Now().Add(-age), time.Now().Add(-age))
		f, err := root.Find("/f", 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if f.IsRecent != want {
			t.Errorf("written %v ago: recent %v", age, f.IsRecent)
		}
	}
}
