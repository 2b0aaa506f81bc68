package api

import (
	"os"
	"path/filepath"
)

// Sockets are the places of the admin socket where no configuration names another: a weir uses the first that it can write to, and the command line asks at the
// first at which there is one.
func Sockets() []string {
	list := []string{"/run/weir/admin.sock"}
	if directory := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(directory) {
		list = append(list, filepath.Join(directory, "weir", "admin.sock"))
	}
	return list
}
