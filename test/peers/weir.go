package peers

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built is where Main has WeirBinary build.
var built struct {
	dir    string
	once   sync.Once
	binary string
	err    error
}

// Main is the TestMain of a package whose tests start weir; its result is the exit status.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weir-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // a weir that is another user starts it too
	built.dir = dir
	return m.Run()
}

// WeirBinary is the path of weir, which is built when the first test asks for it.
func WeirBinary() (string, error) {
	built.once.Do(func() { built.binary, built.err = BuildWeir(built.dir) })
	return built.binary, built.err
}

// BuildWeir builds the weir of this tree into the directory and returns the binary's path. A test package calls it from
// within a test, not from TestMain before m.Run: only from then on does go test note what the results depend on.
func BuildWeir(dir string) (string, error) { return BuildWeirWith(dir, nil) }

// BuildWeirWith is BuildWeir with other text in place of that of files: of those of the module, by their path in it, or of Go's own, by their whole path.
func BuildWeirWith(dir string, text map[string]string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	if err := dependOnSources(root); err != nil {
		return "", err
	}
	environment := []string{"CGO_ENABLED=0"} // as make does
	if len(text) > 0 {
		overlay, err := writeOverlay(dir, root, text)
		if err != nil {
			return "", err
		}
		environment = append(environment, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	}
	return build(root, "./cmd/weir", filepath.Join(dir, "weir"), environment...)
}

// writeOverlay writes what go build's -overlay reads.
func writeOverlay(dir, root string, text map[string]string) (string, error) {
	var pairs []string
	for path, text := range text {
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, path)
		}
		with := filepath.Join(dir, fmt.Sprintf("overlay-%d.go", len(pairs)))
		if err := os.WriteFile(with, []byte(text), 0o644); err != nil {
			return "", err
		}
		pairs = append(pairs, fmt.Sprintf("%q: %q", path, with))
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, []byte(`{"Replace": {`+strings.Join(pairs, ", ")+"}}"), 0o644)
}

// dependOnSources looks at every Go file of the module. go test keeps results until a file that the test looked at
// changes, and does not see what a compiler that the test starts looks at: without this a test of the built weir
// would be answered "(cached)" after weir has changed.
func dependOnSources(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "build" || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") || entry.Name() == "go.sum":
			_, err = os.Stat(path)
		}
		return err
	})
}

// BuildCaddy builds the Caddy of test/bench/caddy, a module of its own so that weir does not depend on it, into
// build/caddy. That takes minutes the first time, and is a no-op while the version stays.
func BuildCaddy() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	return build(filepath.Join(root, "test/bench/caddy"), ".", filepath.Join(root, "build/caddy"))
}

// BuildPebble builds the ACME server of test/acme/pebble, a module of its own, into build/pebble.
func BuildPebble() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	return build(filepath.Join(root, "test/acme/pebble"), "github.com/letsencrypt/pebble/v2/cmd/pebble", filepath.Join(root, "build/pebble"))
}

// Weir starts a built weir with the configuration given.
func Weir(binary, dir, config string, addresses ...string) (*Process, error) {
	file := filepath.Join(dir, "weir.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	return Start("weir", dir, onTwoCores(exec.Command(binary, "run", "-c", file)), addresses...)
}

// Caddy starts a built Caddy with the Caddyfile given.
func Caddy(binary, dir, config string, addresses ...string) (*Process, error) {
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "run", "--config", file, "--adapter", "caddyfile")
	cmd = onTwoCores(cmd)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return Start("caddy", dir, cmd, addresses...)
}

// ModuleRoot returns the directory of weir's go.mod.
func ModuleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/weir-proxy/weir").Output()
	if err != nil {
		return "", fmt.Errorf("find weir's module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build builds one package.
func build(dir, pkg, binary string, environment ...string) (string, error) {
	cmd := exec.Command("go", "build", "-o", binary, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

// BuildHTTP2Tools builds h2spec, h2specd and gRPC's interop client and server, of the module test/http2/tools, into build/http2 and returns that.
func BuildHTTP2Tools() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	out := filepath.Join(root, "build/http2")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	for _, pkg := range []string{"github.com/summerwind/h2spec/cmd/h2spec", "github.com/summerwind/h2spec/cmd/h2specd", "google.golang.org/grpc/interop/client", "google.golang.org/grpc/interop/server", "./quiet"} {
		if _, err := build(filepath.Join(root, "test/http2/tools"), pkg, filepath.Join(out, filepath.Base(pkg))); err != nil {
			return "", err
		}
	}
	return out, nil
}
