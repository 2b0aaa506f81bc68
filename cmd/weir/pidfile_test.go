package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// whole reports whether a pid file names a process, as those who read it at any moment need it.
func whole(text []byte) bool {
	line, _, ended := strings.Cut(string(text), "\n")
	_, err := strconv.Atoi(line)
	return ended && err == nil
}

// Readers find a process id in the file at every moment while it is written, also where no file can be made beside it.
func TestAPidFileIsAlwaysWhole(t *testing.T) {
	for _, name := range []string{"beside", "in place", "by a link"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "weir.pid")
			os.WriteFile(file, []byte("4194303\n"), 0o644)
			s := &server{pidFile: file, log: slog.New(slog.DiscardHandler)}
			switch name {
			case "in place":
				os.MkdirAll(file+".next/in the way", 0o755)
			case "by a link":
				s.pidFile = filepath.Join(dir, "link")
				os.Symlink(file, s.pidFile)
			}
			stop, read := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				for {
					select {
					case <-stop:
						read <- n
						return
					default:
					}
					if text, err := os.ReadFile(s.pidFile); err != nil || !whole(text) {
						t.Errorf("read %q: %v", text, err)
						read <- n
						return
					}
					n++
				}
			}()
			for by := time.Now().Add(200 * time.Millisecond); time.Now().Before(by); {
				if err := s.writePid(); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			if n := <-read; n < 10 {
				t.Errorf("it was read only %d times", n)
			}
			if text, _ := os.ReadFile(file); string(text) != strconv.Itoa(os.Getpid())+"\n" {
				t.Errorf("%q", text)
			}
			s.removePid()
			if _, err := os.Lstat(s.pidFile); !os.IsNotExist(err) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// A file that is not this process's is not removed: not that of another process, and none once another process has taken over.
func TestTheSuccessorsPidFileStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.pid")
	s := &server{pidFile: file, log: slog.New(slog.DiscardHandler)}
	os.WriteFile(file, []byte("1\n"), 0o644)
	s.removePid()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	s.notePid()
	s.replaced = true
	s.removePid()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// What is no regular file is written to and not replaced, and a pipe that nobody reads is not waited for.
func TestAPidFileMayBeADevice(t *testing.T) {
	s := &server{pidFile: os.DevNull, log: slog.New(slog.DiscardHandler)}
	if err := s.writePid(); err != nil {
		t.Error(err)
	}
	s.removePid()
	if st, err := os.Lstat(os.DevNull); err != nil || st.Mode()&os.ModeDevice == 0 {
		t.Fatalf("%s is no device any more: %v", os.DevNull, err)
	}
	s.pidFile = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(s.pidFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.writePid(); err == nil {
		t.Error("a pipe that nobody reads was written to")
	}
	s.removePid()
}
