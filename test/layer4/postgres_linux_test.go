package layer4

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// postgresUser runs a program of PostgreSQL, which refuses root: to it, it is nobody.
func postgresUser(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	}
	return c
}

// postgres starts a real server with TLS, whose database has its name; "" as host: one without TLS.
func postgres(t *testing.T, name, host string) (address string, certificate *peers.Certificate) {
	t.Helper()
	bin := postgresPrograms(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if out, err := postgresUser(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	address = free(t)
	own, port, _ := net.SplitHostPort(address)
	config := fmt.Sprintf("listen_addresses = '%s'\nport = %s\nunix_socket_directories = ''\nfsync = off\ncluster_name = '%s'\n", own, port, name)
	access := "host all all 127.0.0.0/8 trust\n"
	if host != "" {
		var err error
		if certificate, err = peers.NewCertificate(dir, host); err != nil {
			t.Fatal(err)
		}
		config += fmt.Sprintf("ssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'\n", certificate.Cert, certificate.Key)
		access = "hostssl all all 127.0.0.0/8 trust\n"
	}
	for file, text := range map[string]string{"postgresql.conf": config, "pg_hba.conf": access} {
		if err := os.WriteFile(filepath.Join(data, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := peers.Start("postgres", dir, postgresUser(filepath.Join(bin, "postgres"), "-D", data), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return address, certificate
}

// postgresPrograms is the directory of the programs that `make setup` has unpacked.
func postgresPrograms(t *testing.T) string {
	t.Helper()
	root, err := peers.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(root, "build/postgresql/usr/lib/postgresql/*/bin"))
	if len(found) == 0 {
		t.Fatal("PostgreSQL is not there: make setup")
	}
	return found[0]
}

// Clients of PostgreSQL ask for TLS in clear text before they begin it, and servers are found by the name that they ask for then.
func TestPostgresServersAreFoundByName(t *testing.T) {
	front, dir := free(t), t.TempDir()
	a, certificateA := postgres(t, "a", "a.example")
	b, certificateB := postgres(t, "b", "b.example")
	clear, _ := postgres(t, "clear", "")
	own, err := peers.NewCertificate(dir, "www.example")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, fmt.Sprintf(`
listeners:
  front:
    address: %q
    protocol: tls
    tls: { certificates: [{ cert: %q, key: %q }] }
    timeouts: { header: 1s }
    sites: { a.example: a, b.example: b, clear.example: clear, www.example: terminate }
pools:
  a: { servers: [%q] }
  b: { servers: [%q] }
  clear: { servers: [%q] }
sites: { "*": { respond: 200 } }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: json } }
`, front, own.Cert, own.Key, a, b, clear), front)
	_, port, _ := net.SplitHostPort(front)
	psql := func(host, ca, mode string) string {
		dsn := fmt.Sprintf("host=%s hostaddr=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=%s sslrootcert=%s connect_timeout=5", host, port, mode, ca)
		out, _ := exec.Command(filepath.Join(postgresPrograms(t), "psql"), "-X", "-A", "-t", "-c", "select current_setting('cluster_name'), ssl from pg_stat_ssl where pid = pg_backend_pid()", dsn).CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	for range 3 {
		if got := psql("a.example", certificateA.Cert, "verify-full"); got != "a|t" {
			t.Errorf("a: %s", got)
		}
		if got := psql("b.example", certificateB.Cert, "verify-full"); got != "b|t" {
			t.Errorf("b: %s", got)
		}
	}
	if got := psql("b.example", certificateA.Cert, "verify-full"); !strings.Contains(got, "certificate verify failed") {
		t.Errorf("b with a's authority: %s", got)
	}
	for _, host := range []string{"clear.example", "www.example", "nobody.example"} {
		if got := psql(host, certificateA.Cert, "require"); !strings.Contains(got, "failed") {
			t.Errorf("%s: %s", host, got)
		}
	}
	if got := psql("a.example", certificateA.Cert, "disable"); !strings.Contains(got, "failed") {
		t.Errorf("without TLS: %s", got)
	}

	// What a client sends behind its request before that is answered is refused, and so is one that asks twice.
	const request, encryption = "\x00\x00\x00\x08\x04\xd2\x16\x2f", "\x00\x00\x00\x08\x04\xd2\x16\x30"
	for _, c := range []struct{ sends, want string }{
		{request + "x", ""},
		{encryption + request, ""},
		{"\x00\x00\x00\x10\x04\xd2\x16\x2e12345678", ""},
	} {
		if got := exchange(t, front, c.sends); got != c.want {
			t.Errorf("%x: answered %q", c.sends, got)
		}
	}
	if got := exchange(t, front, encryption, request, request); got != "NS" {
		t.Errorf("no encryption, and then TLS: %q", got)
	}
	eventually(t, "the reasons are counted", func() bool {
		r := s.status().Tunnels.Reasons
		return r["server.connect.tls"] >= 1 && r["client.read.hello_malformed"] >= 5
	})
}

// exchange sends one thing after another, each once the one before is answered, and returns what comes until the connection ends.
func exchange(t *testing.T, address string, sends ...string) (answer string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	for i, text := range sends {
		io.WriteString(c, text)
		if i == len(sends)-1 {
			break
		}
		var one [1]byte
		if _, err := io.ReadFull(c, one[:]); err != nil {
			return answer + err.Error()
		}
		answer += string(one[:])
	}
	rest, _ := io.ReadAll(c)
	return answer + string(rest)
}
