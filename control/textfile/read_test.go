package textfile

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
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
		if _, err := Read(name); err == nil || err.Error() != name+" is not a regular file" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadMost(file, 3); err == nil || err.Error() != file+" has more than 3 bytes" {
		t.Errorf("a file that is too large: %v", err)
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

// A file system that does not answer ends no reload: the first file waits a while, the next ones less, and of many none is asked.
func TestFileSystemsThatDoNotAnswerAreGivenUp(t *testing.T) {
	hang, ended := make(chan struct{}), make(chan struct{}, 2*hangingMost)
	ask := func(most time.Duration) (time.Duration, error) {
		began := time.Now()
		_, err := answer("/frozen/a", most, func() (int, error) { <-hang; ended <- struct{}{}; return 1, nil })
		return time.Since(began), err
	}
	const first = 500 * time.Millisecond
	if took, err := ask(first); took < first || err == nil || err.Error() != "/frozen/a: its file system does not answer" {
		t.Errorf("%v after %v", err, took)
	}
	if took, err := ask(time.Hour); took < hasteMost || took > time.Minute || err == nil {
		t.Errorf("the second: %v after %v", err, took)
	}
	if text, err := Read("/dev/null"); err == nil {
		t.Errorf("%q", text) // it is no regular file, which is an answer
	} else if strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
	var all sync.WaitGroup
	for range hangingMost - 2 {
		all.Go(func() { ask(time.Hour) })
	}
	all.Wait()
	if took, err := ask(time.Hour); took >= hasteMost || err == nil {
		t.Errorf("one of too many: %v after %v", err, took)
	}
	close(hang)
	for range hangingMost {
		<-ended
	}
	for by := time.Now().Add(5 * time.Second); hanging.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("%d are said to hang still", hanging.Load())
		}
	}
	if n, err := answer("a", time.Second, func() (int, error) { return 1, nil }); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
