package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that is written to in place is another one, and one that is not stays the same.
func TestAFileThatIsWrittenToHasChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.bin")
	write := func(n int, at time.Time) {
		if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, at, at)
	}
	at := time.Now().Add(-time.Hour)
	write(100, at)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	size, modified := info.Size(), info.ModTime()
	if HasChanged(f, size, modified) {
		t.Error("changed, and nobody wrote to it")
	}
	if write(101, at); !HasChanged(f, size, modified) {
		t.Error("of another size, and not changed")
	}
	if write(100, at.Add(time.Nanosecond)); !HasChanged(f, size, modified) {
		t.Error("written to later, and not changed")
	}
	if write(100, at); HasChanged(f, size, modified) {
		t.Error("as it was, and changed")
	}
}
