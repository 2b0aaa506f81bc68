package textfile

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A reader never finds a file empty, cut or missing while it is replaced.
func TestReplacedFilesAreWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	texts := []string{strings.Repeat("a", 100_000), "b"}
	if err := Replace(file, []byte(texts[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != texts[0] && string(text) != texts[1] {
				t.Errorf("%d bytes, %v", len(text), err)
				return
			}
		}
	})
	for i := range 200 {
		if err := Replace(file, []byte(texts[i%2]), 0o600); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	reader.Wait()
}

// What is left of a process that was killed is in nobody's way, be it a pipe; and after an error the old file is there, and nothing beside it.
func TestReplaceTakesWhatIsInItsWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := syscall.Mkfifo(file+".next", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("text"), 0o640); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	st, _ := os.Stat(file)
	if err != nil || string(text) != "text" || st.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v", text, st.Mode(), err)
	}
	other := filepath.Join(dir, "other")
	if err := os.MkdirAll(filepath.Join(other, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(other, nil, 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	if list, _ := os.ReadDir(dir); len(list) != 2 {
		t.Errorf("left: %v", list)
	}
}
