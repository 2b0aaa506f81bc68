package textfile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPipesAndDevicesAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(file, []byte("text"), 0o600)
	began := time.Now()
	for _, name := range []string{pipe, "/dev/zero", dir} {
		if _, err := Read(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := Read(file); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := ReadAny(pipe, 10); len(text) > 0 || err != nil {
		t.Errorf("a pipe that nobody writes to: %q, %v", text, err)
	}
	if text, err := ReadAny("/dev/zero", 10); len(text) != 11 || err != nil {
		t.Errorf("/dev/zero: %d bytes, %v", len(text), err)
	}
	if took := time.Since(began); took > pipeMost {
		t.Errorf("all of it took %v", took)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAny(pipe, 10); err == nil {
		t.Error("a pipe whose writer is silent has an end")
	}
	writer.WriteString("0123456789a")
	if text, err := ReadAny(pipe, 10); len(text) != 11 || err != nil {
		t.Errorf("a pipe with a writer: %q, %v", text, err)
	}
	writer.Close()
}
