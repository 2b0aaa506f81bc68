package peers

import (
	"fmt"
	"os"
	"path/filepath"
)

// Newer returns the path of a newer version of a program than the system's, which test/peers/newer.sh has unpacked below build/newer.
func Newer(program string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "build/newer/bin", program)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no newer %s; unpack it with: make newer", program)
	}
	return path, nil
}

// ModulesOf is the directory in which an nginx that Newer has found, or that of the system, has its modules.
func ModulesOf(nginx string) string {
	const modules = "usr/lib/nginx/modules"
	if filepath.Base(filepath.Dir(nginx)) != "bin" {
		return "/" + modules
	}
	return filepath.Join(filepath.Dir(filepath.Dir(nginx)), "experimental/root", modules)
}
