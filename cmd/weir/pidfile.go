package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-proxy/weir/control/textfile"
)

const pidMost = 64 // bytes of the file

// notePid has the file name this process: at the start, and when another one, which may have written its own id, has not taken over after all.
func (s *server) notePid() {
	if err := s.writePid(); err != nil {
		s.log.Warn("no pid file", "error", err)
	}
}

// writePid writes the process id. Whoever reads the file meanwhile finds the one before or this one.
func (s *server) writePid() error {
	if s.pidFile == "" {
		return nil
	}
	text := fmt.Appendln(nil, os.Getpid())
	file := s.pidFile
	if to, err := filepath.EvalSymlinks(file); err == nil {
		file = to
	}
	if st, err := os.Lstat(file); err == nil && !st.Mode().IsRegular() { // a device, which must not be replaced
		return writeOver(file, text)
	}
	err := textfile.Replace(file, text, 0o644)
	if err == nil {
		return nil
	}
	// The directory may be one in which this user makes no files.
	if over := writeOver(file, text); over != nil {
		return errors.Join(err, over)
	}
	return nil
}

// writeOver writes in place, and cuts off what was longer: the file is never empty.
func writeOver(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		return f.Truncate(int64(len(text)))
	}
	return nil
}

// removePid removes the file that this process has written. Once another process has taken over it is that one's, whether or not it has written it yet.
func (s *server) removePid() {
	if s.pidFile == "" || s.replaced {
		return
	}
	text, err := textfile.ReadMost(s.pidFile, pidMost)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		os.Remove(s.pidFile)
	}
}
