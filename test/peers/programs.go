package peers

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Nginx starts nginx with the whole configuration given. The process stays in the foreground; the configuration must
// say `daemon off;`. Paths in it are relative to dir.
func Nginx(dir, config string, addresses ...string) (*Process, error) {
	return NginxOf("nginx", dir, config, addresses...)
}

// NginxOf is Nginx with a certain program: a name, or the path of one.
func NginxOf(program, dir, config string, addresses ...string) (*Process, error) {
	return withConfig(program, dir, "nginx.conf", config, addresses, func(file string) []string {
		return []string{"-p", dir, "-e", "stderr", "-c", file}
	})
}

// HAProxy starts HAProxy with the configuration given.
func HAProxy(dir, config string, addresses ...string) (*Process, error) {
	return HAProxyOf("haproxy", dir, config, addresses...)
}

// HAProxyOf is HAProxy with a certain program: a name, or the path of one.
func HAProxyOf(program, dir, config string, addresses ...string) (*Process, error) {
	return withConfig(program, dir, "haproxy.cfg", config, addresses, func(file string) []string {
		return []string{"-db", "-f", file}
	})
}

// Apache starts Apache httpd with the configuration given.
func Apache(dir, config string, addresses ...string) (*Process, error) {
	return withConfig("apache2", dir, "apache2.conf", config, addresses, func(file string) []string {
		return []string{"-D", "FOREGROUND", "-d", dir, "-f", file}
	})
}

// Node starts a Node program, given as its source. Its arguments are what process.argv holds from number 2 on.
func Node(dir, source string, args []string, addresses ...string) (*Process, error) {
	return withConfig("node", dir, "main.js", source, addresses, func(file string) []string {
		return append([]string{file}, args...)
	})
}

// withConfig writes the configuration and starts the program with the arguments that name it.
func withConfig(program, dir, name, config string, addresses []string, args func(file string) []string) (*Process, error) {
	path, err := Find(program)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	return Start(filepath.Base(program), dir, onTwoCores(exec.Command(path, args(file)...)), addresses...)
}
