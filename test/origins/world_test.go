package origins

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

//go:embed testdata
var testdata embed.FS

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// largeSize is the size of the large file.
const largeSize = 100 << 20

// world is three origins and a weir before them.
type world struct {
	t     *testing.T
	dir   string // of all of them
	files string // what nginx and Apache serve
	http  string // port that redirects
	https string
	admin string
	weir  *peers.Process
}

func newWorld(t *testing.T) *world {
	addresses, err := peers.FreeAddresses(7)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), http: peers.Port(addresses[0]), https: peers.Port(addresses[1]), admin: peers.AdminSocket()}
	w.files = filepath.Join(w.dir, "files")
	w.certificate("uc-san", "meet.contoso.test", "dialin.contoso.test", "lyncdiscover.contoso.test", "lyncweb.contoso.test", "mail.contoso.test")
	w.certificate("internal")
	w.writeFiles()
	user, modules := "", "/usr/lib/apache2/modules"
	if os.Geteuid() == 0 {
		user = "user root;" // workers of another user would not be let into the test's directory
	}
	read := func(name string) string {
		text, err := testdata.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	fill := func(name string) string {
		return strings.NewReplacer("HTTPS", addresses[1], "HTTP", addresses[0], "ADMIN", w.admin, "NGINX", addresses[3], "SECOND",
			addresses[4], "NODE", addresses[5], "APACHE", addresses[6], "USER", user, "MODULES", modules).Replace(read(name))
	}
	keep := func(p *peers.Process, err error) *peers.Process {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
		return p
	}
	keep(peers.Nginx(w.dir, fill("nginx.conf"), addresses[3], addresses[4]))
	keep(peers.Node(w.dir, read("main.js"), []string{addresses[5]}, addresses[5]))
	if user != "" {
		user = "User nobody\nGroup nogroup"
		if err := os.Chmod(filepath.Dir(w.dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	keep(peers.Apache(w.dir, fill("apache2.conf"), addresses[6]))
	w.check(fill("weir.yaml"))
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	w.weir = keep(peers.Weir(binary, w.dir, fill("weir.yaml"), addresses[:2]...))
	return w
}

// check runs the tests that stand in the configuration.
func (w *world) check(config string) {
	w.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.dir, "weir.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if out, err := exec.Command(binary, "check", "-c", file).CombinedOutput(); err != nil {
		w.t.Fatalf("weir check: %v\n%s", err, out)
	}
}

// certificate makes one in a directory of its name.
func (w *world) certificate(name string, names ...string) {
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if _, err := peers.NewCertificate(dir, names...); err != nil {
		w.t.Fatal(err)
	}
}

// pixel is the smallest PNG.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func (w *world) writeFiles() {
	image, err := base64.StdEncoding.DecodeString(pixel)
	if err != nil {
		w.t.Fatal(err)
	}
	large := make([]byte, largeSize)
	rand.NewChaCha8([32]byte{1}).Read(large)
	for name, content := range map[string][]byte{"index.html": []byte("<h1>hello</h1>\n"), "pixel.png": image, "large": large,
		"rpc/answer": []byte("rpc"), "named/sub/index.html": []byte("sub"), "digits": []byte("0123456789")} {
		file := filepath.Join(w.files, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

// url is an address of weir's under a name.
func (w *world) url(host, path string) string { return "https://" + host + ":" + w.https + path }

// curl runs curl, which finds every name at weir and trusts its certificate, and returns what it prints.
func (w *world) curl(args ...string) string {
	w.t.Helper()
	out, err := w.run(30*time.Second, "curl", append([]string{"-sS", "--http1.1", "--cacert", filepath.Join(w.dir, "uc-san/cert.pem"),
		"--connect-to", "::127.0.0.1:"}, args...)...)
	if err != nil {
		w.t.Errorf("curl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// run runs a program to its end and returns its output.
func (w *world) run(most time.Duration, program string, args ...string) (string, error) {
	w.t.Helper()
	path, err := peers.Find(program)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, said.String())
	}
	return out.String(), nil
}
