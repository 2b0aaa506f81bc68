package faults

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// refusedAtStart is a configuration that 'weir run' does not start with. A, B and DIR are filled in; good.pem and good.key are a pair, other.key belongs to another
// certificate.
var refusedAtStart = map[string]string{
	"a certificate that does not exist":      `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/none.pem, key: DIR/good.key }] } } }, sites: { a.test: "http://B" } }`,
	"a key that does not exist":              `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/good.pem, key: DIR/none.key }] } } }, sites: { a.test: "http://B" } }`,
	"a key of another certificate":           `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/good.pem, key: DIR/other.key }] } } }, sites: { a.test: "http://B" } }`,
	"a certificate that is none":             `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/text, key: DIR/good.key }] } } }, sites: { a.test: "http://B" } }`,
	"an empty certificate":                   `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/empty, key: DIR/good.key }] } } }, sites: { a.test: "http://B" } }`,
	"a directory without certificates":       `{ listeners: { a: { address: "A", tls: { certificates: [DIR/nothing] } } }, sites: { a.test: "http://B" } }`,
	"top-level certificates":                 `{ listeners: { a: { address: "A", tls: on } }, tls: { certificates: [{ cert: DIR/none.pem, key: DIR/none.key }] }, sites: { a.test: "http://B" } }`,
	"authorities of clients that are absent": `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/good.pem, key: DIR/good.key }], client_auth: DIR/none.pem } } }, sites: { a.test: "http://B" } }`,
	"an authority of servers that is absent": `{ listeners: { a: "A" }, pools: { p: { servers: ["https://B"], tls: { ca: DIR/none.pem } } }, sites: { "*": p } }`,
	"an authority of servers that is none":   `{ listeners: { a: "A" }, pools: { p: { servers: ["https://B"], tls: { ca: DIR/text } } }, sites: { "*": p } }`,
	"a certificate for servers":              `{ listeners: { a: "A" }, pools: { p: { servers: ["https://B"], tls: { client_cert: { cert: DIR/none.pem, key: DIR/none.key } } } }, sites: { "*": p } }`,
	"a directory of the log that is absent":  `{ listeners: { a: "A" }, sites: { "*": "http://B" }, logs: { access: DIR/none/access.log } }`,
	"a log that is a directory":              `{ listeners: { a: "A" }, sites: { "*": "http://B" }, logs: { access: DIR } }`,
	"a log in a file":                        `{ listeners: { a: "A" }, sites: { "*": "http://B" }, logs: { access: DIR/text/access.log } }`,
	"an address of another machine":          `{ listeners: { a: "192.0.2.77:8080" }, sites: { "*": "http://B" } }`,
	"an IPv6 address of another machine":     `{ listeners: { a: "[2001:db8::77]:8080" }, sites: { "*": "http://B" } }`,
	"a UDP address of another machine":       `{ listeners: { a: { address: "192.0.2.77:8080", protocol: udp, pool: p } }, pools: { p: "B" } }`,
	"an address twice":                       `{ listeners: { a: "A", b: "A" }, sites: { "*": "http://B" } }`,
	"a secret that is absent":                `{ listeners: { a: "A" }, pools: { p: { servers: ["http://B"], persistence: { cookie: C, secret: { file: DIR/none } } } }, sites: { "*": p } }`,
	"an error page that is absent":           `{ listeners: { a: "A" }, sites: { "*": { servers: ["http://B"], error_pages: { 503: { file: DIR/none } } } } }`,
	"an included file that is absent":        `{ include: [DIR/none.yaml], listeners: { a: "A" }, sites: { "*": "http://B" } }`,
	"no configuration":                       ``,
}

// acceptedAtStart are configurations that look like those above and are good.
var acceptedAtStart = map[string]string{
	"a pair":                        `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/good.pem, key: DIR/good.key }] } } }, sites: { good.test: "http://B" }, data: DIR/data }`,
	"a directory":                   `{ listeners: { a: { address: "A", tls: { certificates: [DIR/pairs] } } }, sites: { good.test: "http://B" }, data: DIR/data }`,
	"an expired certificate":        `{ listeners: { a: { address: "A", tls: { certificates: [{ cert: DIR/old.pem, key: DIR/old.key }] } } }, sites: { old.test: "http://B" }, data: DIR/data }`,
	"all addresses, and one":        `{ listeners: { a: ":PORT", b: "127.0.0.1:PORT" }, sites: { "*": "http://B" }, data: DIR/data }`,
	"one address, and all":          `{ listeners: { a: "127.0.0.1:PORT", b: ":PORT" }, sites: { "*": "http://B" }, data: DIR/data }`,
	"all of UDP, and one":           `{ listeners: { a: { address: ":PORT", protocol: udp, pool: p }, b: { address: "127.0.0.1:PORT", protocol: udp, pool: p } }, pools: { p: "B" }, data: DIR/data }`,
	"an unresolvable server":        `{ listeners: { a: "A" }, sites: { "*": "http://no-such-name.invalid" }, data: DIR/data }`,
	"a log that does not exist":     `{ listeners: { a: "A" }, sites: { "*": "http://B" }, logs: { access: DIR/access.log }, data: DIR/data }`,
	"a public name, no certificate": `{ listeners: { a: { address: "A", tls: on } }, sites: { www.weir-proxy.org: "http://B" }, tls: { acme: off }, data: DIR/data }`,
}

// What 'weir check' says of a configuration is what 'weir run' does with it.
func TestCheckRefusesWhatRunRefuses(t *testing.T) {
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pairsForCheck(t, dir)
	_, port, _ := net.SplitHostPort(addresses[0])
	fill := strings.NewReplacer("DIR", dir, "\"A\"", `"`+addresses[0]+`"`, "PORT", port, "//B", "//"+addresses[1], `"B"`, `"`+addresses[1]+`"`).Replace
	file := filepath.Join(dir, "weir.yaml")
	try := func(config string) (checked, ran error, said string) {
		if config != "" {
			config = fill(strings.TrimSuffix(config, "}") + ", admin: off }")
		}
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		output, checked := exec.Command(binary, "check", "-c", file).CombinedOutput()
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		run := exec.CommandContext(ctx, binary, "run", "-c", file, "--loops", "1")
		pipe, err := run.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		said, serves := readUntil(pipe, "msg=serving")
		if serves {
			run.Process.Kill()
			run.Wait()
			return checked, nil, string(output)
		}
		if ran = run.Wait(); ran == nil {
			ran = errors.New("ended")
		}
		return checked, ran, fmt.Sprintf("check: %s\nrun: %s", output, said)
	}
	for name, config := range refusedAtStart {
		if checked, ran, said := try(config); checked == nil || ran == nil {
			t.Errorf("%s: check %v, run %v\n%s", name, checked, ran, said)
		}
	}
	for name, config := range acceptedAtStart {
		if checked, ran, said := try(config); checked != nil || ran != nil {
			t.Errorf("%s: check %v, run %v\n%s", name, checked, ran, said)
		}
	}
	for name, word := range map[string]string{"an expired certificate": "expired on", "a public name, no certificate": "no certificate is for this name"} {
		if _, _, said := try(acceptedAtStart[name]); !strings.Contains(said, word) {
			t.Errorf("%s: there is no warning:\n%s", name, said)
		}
	}
}

// Where nothing ends TLS, no certificate is of use: no key is made, and none is written.
func TestClearTextWritesNoKeys(t *testing.T) {
	s := start(t, `{ listeners: { front: "FRONT" }, sites: { www.example.com: "http://127.0.0.1:1", "*": "http://127.0.0.1:1" }, admin: "ADMIN", data: DIR/data, logs: { access: off } }`)
	if _, err := os.Stat(filepath.Join(s.dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a configuration in clear text wrote something into data: %v", err)
	}
}

// While weir runs, the last good certificate stays in use, whatever becomes of its files; a certificate that never was good is refused.
func TestTheLastGoodCertificateStaysInUse(t *testing.T) {
	dir := t.TempDir()
	pairsForCheck(t, dir)
	const config = `{ listeners: { front: { address: "FRONT", tls: { certificates: [{ cert: KEPT/good.pem, key: KEPT/good.key }MORE] } } }, sites: { good.test: "http://127.0.0.1:1" }, admin: "ADMIN", data: DIR/data, logs: { access: off } }`
	fill := func(more string) string { return strings.NewReplacer("KEPT", dir, "MORE", more).Replace(config) }
	s := start(t, fill(""))
	shows := func() string {
		c, err := tls.Dial("tcp", s.address["FRONT"], &tls.Config{InsecureSkipVerify: true, ServerName: "good.test"})
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		return string(c.ConnectionState().PeerCertificates[0].Raw)
	}
	good := shows()
	s.write(fill(", { cert: " + dir + "/none.pem, key: " + dir + "/good.key }"))
	s.reload(refused)
	if err := os.WriteFile(filepath.Join(dir, "good.pem"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.write(fill(""))
	s.reload(reloaded)
	if shows() != good {
		t.Error("another certificate is shown since the file was damaged")
	}
	if w := s.status().Config.Warnings; len(w) != 1 || !strings.Contains(w[0], "good.pem") {
		t.Errorf("the status warns of %q", w)
	}
	os.Remove(filepath.Join(dir, "good.pem"))
	s.reload(reloaded)
	if shows() != good {
		t.Error("another certificate is shown since the file was removed")
	}
}

// pairsForCheck makes the files that the configurations name.
func pairsForCheck(t *testing.T, dir string) {
	t.Helper()
	link := func(from, to string) {
		if err := os.Rename(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"good", "other", "old"} {
		make := peers.NewCertificate
		if name == "old" {
			make = peers.NewExpiredCertificate
		}
		c, err := make(dir, name+".test")
		if err != nil {
			t.Fatal(err)
		}
		link(c.Cert, name+".pem")
		link(c.Key, name+".key")
	}
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "good.pem"), filepath.Join(dir, "good.key")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"nothing", "pairs"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"good.pem", "good.key"} {
		text, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "pairs", f), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(dir, "text"), []byte("not a certificate\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644)
}

// readUntil reads until the word has come, or the end.
func readUntil(r io.Reader, word string) (text string, found bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text += lines.Text() + "\n"
		if strings.Contains(lines.Text(), word) {
			return text, true
		}
	}
	return text, false
}
