package peers

import (
	"fmt"
	"os"
	"os/exec"
)

// packages says which Debian package brings a program.
var packages = map[string]string{
	"nginx":           "nginx",
	"haproxy":         "haproxy",
	"apache2":         "apache2",
	"ab":              "apache2-utils",
	"node":            "nodejs",
	"curl":            "curl",
	"wrk":             "wrk",
	"h2load":          "nghttp2-client",
	"chromium":        "chromium",
	"strace":          "strace",
	"systemd-analyze": "systemd",
	"openssl":         "openssl",
	"taskset":         "util-linux",
	"go":              "golang",
}

// Find returns the path of an installed program, or an error with the command that installs it. It also looks where
// Debian keeps daemons, which is not in everybody's PATH.
func Find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/usr/local/sbin/", "/usr/local/go/bin/"} {
		if info, err := os.Stat(dir + program); err == nil && info.Mode()&0o111 != 0 {
			return dir + program, nil
		}
	}
	name, known := packages[program]
	if !known {
		name = program
	}
	return "", fmt.Errorf("%s is not installed; install it with: apt-get install -y %s (or all that the tests need: make setup)", program, name)
}
