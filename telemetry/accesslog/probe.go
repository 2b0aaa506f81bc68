package accesslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CanConfigure reports why Configure would fail, and changes nothing: neither is the file made, nor a line written.
func (w *Writer) CanConfigure(c WriterConfig) error {
	switch c.File {
	case "", "off", "stdout", "stderr":
		return nil
	}
	w.mu.Lock()
	stays := w.stays(c)
	w.mu.Unlock()
	if stays {
		return nil
	}
	f, err := within(c.File, openMost, tryOpen)
	if f != nil {
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	return nil
}

// tryOpen is open, which makes no file. A pipe is not opened, as who reads it would see it end when it is closed again; the file is nil then, and where there is none yet.
func tryOpen(name string) (*os.File, error) {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, tryCreate(name)
	case err != nil:
		return nil, err
	case st.Mode()&os.ModeNamedPipe != 0:
		const write = 2
		if err := syscall.Access(name, write); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return nil, nil
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
}

// tryCreate makes a file of another name in the directory, and removes it: who follows the log would take one of its own name for a new log.
func tryCreate(name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".weir-probe-*")
	var failed *fs.PathError
	if errors.As(err, &failed) {
		failed.Path = name
	}
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
