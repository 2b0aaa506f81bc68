package accesslog

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// logged is an outlet with what it has logged. The log is written by the pen's goroutine, and read when that has written all lines.
func logged(t *testing.T, file string) (o *outlet, messages *[]string) {
	t.Helper()
	messages = new([]string)
	o, err := openOutlet(&WriterConfig{File: file, Log: func(level slog.Level, f string, args ...any) {
		*messages = append(*messages, level.String()+" "+fmt.Sprintf(f, args...))
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close() })
	return o, messages
}

// untilLogged writes lines until the message is there.
func untilLogged(t *testing.T, o *outlet, messages *[]string, want string) {
	t.Helper()
	for by := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		o.put(t, "line\n")
		if slices.ContainsFunc(*messages, func(m string) bool { return strings.Contains(m, want) }) {
			return
		}
		if time.Now().After(by) {
			t.Fatalf("%q is not logged; logged are %q", want, *messages)
		}
	}
}

// The name leads nowhere, as when logrotate has made a file that weir must not write: lines go on into the old file, which is logged; when that
// file is deleted too they are counted as lost; and when the name can be opened, lines go there.
func TestAFileThatCannotBeOpenedAnewIsLogged(t *testing.T) {
	dir := t.TempDir()
	logs, old := filepath.Join(dir, "logs"), filepath.Join(dir, "old")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	o, messages := logged(t, filepath.Join(logs, "access.log"))
	o.put(t, "first\n")
	if err := os.Rename(logs, old); err != nil {
		t.Fatal(err)
	}
	untilLogged(t, o, messages, "WARN access log: cannot be opened anew")
	o.put(t, "moved\n")
	if got := content(t, filepath.Join(old, "access.log")); !strings.HasSuffix(got, "moved\n") || o.allLost() != 0 {
		t.Errorf("the moved file has %q, and %d lines are lost", got, o.allLost())
	}

	if err := os.Remove(filepath.Join(old, "access.log")); err != nil {
		t.Fatal(err)
	}
	o.put(t, "a\nb\nc\n")
	if got := o.allLost(); got != 3 {
		t.Errorf("%d of 3 lines to a deleted file are counted as lost", got)
	}

	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	untilLogged(t, o, messages, "INFO access log: can be written again")
	lost := o.allLost()
	o.put(t, "last\n")
	if got := content(t, filepath.Join(logs, "access.log")); !strings.HasSuffix(got, "last\n") || o.allLost() != lost {
		t.Errorf("the new file has %q", got)
	}
	if len(*messages) != 3 {
		t.Errorf("each change is logged once; logged are %q", *messages)
	}
}

// A file that is deleted, and not moved, loses no line: the next one is in a new file.
func TestADeletedFileIsMadeAnewAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	o, messages := logged(t, file)
	for i := range 5 {
		o.put(t, "line\n")
		if got := content(t, file); got != "line\n" {
			t.Fatalf("file %d has %q", i, got)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if o.allLost() != 0 || len(*messages) != 0 {
		t.Errorf("%d lines are lost; logged are %q", o.allLost(), *messages)
	}
}

// Where a moved file can be opened anew after it could not, that is logged too.
func TestAMovedFileThatIsOpenedAnewIsLogged(t *testing.T) {
	dir := t.TempDir()
	logs, old := filepath.Join(dir, "logs"), filepath.Join(dir, "old")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	o, messages := logged(t, filepath.Join(logs, "access.log"))
	if err := os.Rename(logs, old); err != nil {
		t.Fatal(err)
	}
	untilLogged(t, o, messages, "WARN access log: cannot be opened anew")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	untilLogged(t, o, messages, "INFO access log: is opened anew")
	if o.allLost() != 0 {
		t.Errorf("%d lines are lost", o.allLost())
	}
}
