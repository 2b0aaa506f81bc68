package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
)

// checkData warns of a directory of data that weir could not keep anything in. It starts all the same. The default is not looked at: not every configuration needs it, nor is every machine that checks one the one that runs it.
func checkData(cfg *config.Config) config.Problems {
	if !cfg.IsWritten("data") {
		return nil
	}
	err := textfile.Ask(cfg.Data, func() error { return canKeepIn(cfg.Data) })
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		return config.Problems{cfg.WarningAt("data", "you may not write there: %v", err)}
	}
	return config.Problems{cfg.WarningAt("data", "nothing can be kept there: %v; weir starts all the same, and each start makes new keys", err)}
}

// canKeepIn reports why files could not be made in the directory, or it could not be made itself, and the ones that lead to it.
func canKeepIn(directory string) error {
	err := canMakeIn(directory)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	above := filepath.Dir(directory)
	for above != filepath.Dir(above) && errors.Is(canMakeIn(above), os.ErrNotExist) {
		above = filepath.Dir(above)
	}
	if err := canMakeIn(above); err != nil {
		return err
	}
	// What access says of /proc and its like is not true.
	probe, err := os.MkdirTemp(above, ".weir-probe-*")
	if err != nil {
		return fmt.Errorf("%s cannot be made: %w", directory, errors.Unwrap(err))
	}
	return os.Remove(probe)
}

// checkLog finds out whether the access log could be opened, without making it.
func checkLog(cfg *config.Config) config.Problems {
	a := &cfg.Logs.Access
	if a.Off || a.File == "stdout" || a.File == "stderr" {
		return nil
	}
	err := canAppend(a.File)
	if err == nil && a.Rotate != nil {
		err = canMakeIn(filepath.Dir(a.File)) // where the old files stay
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		return config.Problems{cfg.WarningAt("logs.access", "you may not write it: %v", err)}
	}
	return config.Problems{cfg.ProblemAt("logs.access", "cannot be written: %v", err)}
}

// canAppend reports why the file could not be opened for writing at its end, or made.
func canAppend(file string) error {
	st, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return canMakeIn(filepath.Dir(file))
	case err != nil:
		return err
	case st.IsDir():
		return fmt.Errorf("%s is a directory", file)
	}
	const write = 2
	return access(file, write)
}

func canMakeIn(directory string) error {
	st, err := os.Stat(directory)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is not a directory", directory)
	}
	if err != nil {
		return err
	}
	const write, search = 2, 1
	return access(directory, write|search)
}

func access(path string, how uint32) error {
	if err := syscall.Access(path, how); err != nil {
		return &os.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}
