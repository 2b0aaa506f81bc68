package acme

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/certmagic"
)

func TestAPipeAmongTheCertificatesIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	s := storage{&certmagic.FileStorage{Path: dir}}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "pipe"); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := s.Load(t.Context(), "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if err := s.Store(t.Context(), "text", []byte("text")); err != nil {
		t.Fatal(err)
	}
	if text, err := s.Load(t.Context(), "text"); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}
