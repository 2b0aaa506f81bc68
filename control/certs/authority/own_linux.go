package authority

import (
	"os"
	"path/filepath"
	"syscall"
)

// own gives a file that root has written to whom the directory above its own belongs to: the user that weir runs as after it has given root's powers away.
func own(file string) {
	if os.Geteuid() != 0 {
		return
	}
	st, err := os.Stat(filepath.Dir(filepath.Dir(file)))
	if err != nil {
		return
	}
	if by, ok := st.Sys().(*syscall.Stat_t); ok && by.Uid != 0 {
		os.Chown(filepath.Dir(file), int(by.Uid), int(by.Gid))
		os.Chown(file, int(by.Uid), int(by.Gid))
	}
}
