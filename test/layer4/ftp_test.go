package layer4

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// transferred is the size of the files of these tests.
const transferred = 10_000_000

// files is a directory with a file for all, and one that takes what is sent.
func files(t *testing.T) (root string, content []byte) {
	t.Helper()
	root, content = t.TempDir(), make([]byte, transferred)
	rand.Read(content)
	// The daemons serve as a user of their own; TempDir's parents are closed to it.
	for dir := root; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	up := filepath.Join(root, "up")
	if err := os.Mkdir(up, 0o777); err != nil {
		t.Fatal(err)
	}
	os.Chmod(up, 0o777)
	return root, content
}

// vsftpd starts a real server for a directory. more are lines of its configuration.
func vsftpd(t *testing.T, root, address string, more ...string) *peers.Process {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	dir, listen := t.TempDir(), "listen=YES\nlisten_address="+host
	if strings.Contains(host, ":") {
		listen = "listen=NO\nlisten_ipv6=YES\nlisten_address6=" + host
	}
	config := filepath.Join(dir, "vsftpd.conf")
	text := fmt.Sprintf("%s\nlisten_port=%s\nanonymous_enable=YES\nanon_root=%s\nanon_upload_enable=YES\nanon_other_write_enable=YES\nwrite_enable=YES\n"+
		"background=NO\nsecure_chroot_dir=%s\nallow_writeable_chroot=YES\nseccomp_sandbox=NO\nconnect_from_port_20=NO\nxferlog_enable=NO\nlisten=%s\n%s\n",
		strings.Replace(listen, "listen=YES\n", "", 1), port, root, dir, map[bool]string{true: "NO", false: "YES"}[strings.Contains(host, ":")], strings.Join(more, "\n"))
	text = strings.Replace(text, "listen=NO\nlisten_ipv6", "listen_ipv6", 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := peers.Find("vsftpd")
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.Start("vsftpd", dir, exec.Command(path, config), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return p
}

// encrypted are the lines that have vsftpd speak TLS, and insist on it.
func encrypted(c *peers.Certificate, more ...string) []string {
	return append([]string{"ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES", "ssl_tlsv1=YES",
		"require_ssl_reuse=NO", "rsa_cert_file=" + c.Cert, "rsa_private_key_file=" + c.Key, "ssl_ciphers=HIGH"}, more...)
}

// fetch has curl get the file, and put it, and compares.
func fetch(t *testing.T, url, root string, content []byte, options ...string) {
	t.Helper()
	got, err := exec.Command("curl", append([]string{"-sS", "-k", "--max-time", "30", url + "/file"}, options...)...).Output()
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%v: got %d of %d bytes: %v", options, len(got), len(content), err)
		return
	}
	name := fmt.Sprintf("up/%x", time.Now().UnixNano())
	out, err := exec.Command("curl", append([]string{"-sS", "-k", "--max-time", "30", "-T", filepath.Join(root, "file"), url + "/" + name}, options...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s: %v", options, out, err)
		return
	}
	var put []byte
	for by := time.Now().Add(2 * time.Second); len(put) < len(content) && time.Now().Before(by); time.Sleep(5 * time.Millisecond) {
		put, _ = os.ReadFile(filepath.Join(root, name)) // the server writes the end after it has said so
	}
	if !bytes.Equal(put, content) {
		t.Errorf("%v: put %d of %d bytes", options, len(put), len(content))
	}
	os.Remove(filepath.Join(root, name))
}

var ways = map[string][]string{
	"extended passive": nil, "passive": {"--disable-epsv"}, "extended active": {"--ftp-port", "-"}, "active": {"--ftp-port", "-", "--disable-eprt"},
}

func TestTransfersInEveryWay(t *testing.T) {
	root, content := files(t)
	for _, family := range []string{"127.0.0.1", "::1"} {
		server := net.JoinHostPort(family, portOf(free(t)))
		vsftpd(t, root, server)
		for _, front := range []string{"127.0.0.1", "::1"} {
			t.Run("client "+front+" server "+family, func(t *testing.T) {
				address := net.JoinHostPort(front, portOf(free(t)))
				s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files } }
pools: { files: { servers: [%q], health: { script: [{ expect: "220" }] } } }
admin: "ADMIN"
logs: { access: off }
`, address, server), address)
				for name, options := range ways {
					if front == "::1" && (name == "passive" || name == "active") {
						continue // IPv4's alone
					}
					fetch(t, "ftp://"+address, root, content, options...)
				}
				list, err := exec.Command("lftp", "-e", "set net:timeout 5; set net:max-retries 1; cls; quit", "ftp://"+address).CombinedOutput()
				if err != nil || !strings.Contains(string(list), "file") {
					t.Errorf("lftp: %s %v", list, err)
				}
				eventually(t, "no session is left", func() bool { return s.status().Tunnels.Open == 0 })
			})
		}
	}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// TLS on either side, both, or neither; asked for by AUTH, or there from the first byte.
func TestTransfersOverTLS(t *testing.T) {
	root, content := files(t)
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "files.example")
	if err != nil {
		t.Fatal(err)
	}
	clear, explicit, implicit := free(t), free(t), "127.0.0.77:990"
	vsftpd(t, root, clear)
	vsftpd(t, root, explicit, encrypted(certificate)...)
	vsftpd(t, root, implicit, encrypted(certificate, "implicit_ssl=YES")...)
	fronts := map[string]string{}
	config := "listeners:\n"
	for _, pool := range []string{"clear", "explicit", "implicit"} {
		for _, side := range []string{"clear", "explicit", "implicit"} {
			front := free(t)
			fronts[side+" to "+pool] = front
			tls := map[string]string{"clear": "", "explicit": ", tls: { certificates: [{ cert: CERT, key: KEY }] }",
				"implicit": ", ftp: { implicit: on }, tls: { certificates: [{ cert: CERT, key: KEY }] }"}[side]
			config += fmt.Sprintf("  %s-%s: { address: %q, protocol: ftp, pool: %s%s }\n", side, pool, front, pool, tls)
		}
	}
	config += fmt.Sprintf(`pools:
  clear: { servers: [%q] }
  explicit: { servers: [%q], tls: { ca: CERT, server_name: files.example }, health: { script: [{ expect: "220" }] } }
  implicit: { servers: [%q], tls: { ca: CERT, server_name: files.example } }
admin: "ADMIN"
logs: { access: off }
`, clear, explicit, implicit)
	config = strings.ReplaceAll(strings.ReplaceAll(config, "CERT", certificate.Cert), "KEY", certificate.Key)
	var addresses []string
	for _, front := range fronts {
		addresses = append(addresses, front)
	}
	start(t, dir, config, addresses...)
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			url, options := "ftp://"+front, []string(nil)
			switch {
			case strings.HasPrefix(name, "explicit"):
				options = []string{"--ssl-reqd"}
			case strings.HasPrefix(name, "implicit"):
				url = "ftps://" + front
			}
			fetch(t, url, root, content, options...)
			fetchActively(t, url, content, !strings.HasPrefix(name, "clear"))
		})
	}
	// A client that is to speak TLS says nothing before.
	out, err := exec.Command("curl", "-sv", "--max-time", "5", "ftp://"+fronts["explicit to clear"]+"/file").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "530 AUTH TLS first") {
		t.Errorf("in clear text: %s", out)
	}
}

func TestHundredTransfersAtOnce(t *testing.T) {
	root, content := files(t)
	one, two, front := free(t), free(t), free(t)
	vsftpd(t, root, one, "max_clients=0", "max_per_ip=0")
	vsftpd(t, root, two, "max_clients=0", "max_per_ip=0")
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files, ftp: { ports: 41000-41999 } } }
pools: { files: { servers: [%q, %q] } }
admin: "ADMIN"
logs: { access: off }
`, front, one, two), front)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			options := []string{"-sS", "--max-time", "60", "ftp://" + front + "/file"}
			if i%3 == 0 {
				options = append(options, "--ftp-port", "-")
			}
			got, err := exec.Command("curl", options...).Output()
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("transfer %d: %d bytes: %v", i, len(got), err)
			}
		})
	}
	all.Wait()
	eventually(t, "no session is left", func() bool { return s.status().Tunnels.Open == 0 })
	for _, server := range s.status().Pools[0].Servers {
		if server.Requests < 30 {
			t.Errorf("%s had %d of 100 sessions", server.Name, server.Requests)
		}
	}
}

// control is a client that says what it likes.
type control struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func talk(t *testing.T, front string) *control {
	t.Helper()
	c, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(15 * time.Second))
	return &control{c, t, bufio.NewReader(c)}
}

// ask says a command and wants the code.
func (c *control) ask(command, code string) string {
	c.t.Helper()
	if command != "" {
		io.WriteString(c, command+"\r\n")
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%s: %v", command, err)
		}
		if len(line) > 3 && line[3] == ' ' && line[0] >= '1' && line[0] <= '5' {
			if !strings.HasPrefix(line, code) {
				c.t.Fatalf("%s: %q, want %s", command, line, code)
			}
			return strings.TrimSpace(line)
		}
	}
}

func TestDataConnectionsAreNobodyElses(t *testing.T) {
	root, _ := files(t)
	server, front := free(t), free(t)
	vsftpd(t, root, server)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files } }
pools: { files: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, server), front)
	c := talk(t, front)
	c.ask("", "220 FTP server ready")
	c.ask("USER ftp", "331")
	c.ask("PASS x", "230")
	for _, bounce := range []string{"PORT 127,0,0,2,200,1", "PORT 127,0,0,1,0,25", "EPRT |1|10.0.0.1|50000|", "EPRT |1|127.0.0.1|80|", "EPRT |2|::1|50000|"} {
		c.ask(bounce, "504")
	}
	for _, odd := range []string{"PORT 1,2,3", "EPRT |1|x|1|", "EPSV x"} {
		c.ask(odd, "501")
	}
	c.ask("EPSV 2", "522")
	c.ask("LPSV", "502")
	if status := c.ask("STAT", "211"); strings.Contains(status, "127.0.0.1") {
		t.Errorf("the server's status is shown: %s", status)
	}
	// The port is the client's alone: another machine that comes first is refused, and the client is served.
	reply := c.ask("EPSV", "229")
	port := reply[strings.Index(reply, "|||")+3 : strings.LastIndex(reply, "|")]
	thief, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).Dial("tcp", "127.0.0.1:"+port)
	if err == nil {
		thief.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err = thief.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("a stranger holds the data connection: %v", err)
		}
	}
	data, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	c.ask("NLST", "150")
	if list, err := io.ReadAll(data); err != nil || !strings.Contains(string(list), "file") {
		t.Errorf("%q %v", list, err)
	}
	c.ask("", "226")
	// Commands in one piece are answered in their order.
	io.WriteString(c, "NOOP\r\nPWD\r\nSTAT\r\nTYPE I\r\n")
	for _, code := range []string{"200", "257", "211", "200"} {
		c.ask("", code)
	}
	c.ask("EPSV ALL", "200")
	c.ask("PASV", "501")
	c.ask("QUIT", "221")
	eventually(t, "the session has ended", func() bool { return s.status().Tunnels.Reasons["none.finish.done"] > 0 && s.status().Tunnels.Open == 0 })
}

func TestServerThatDiesBetweenTransfers(t *testing.T) {
	root, content := files(t)
	one, two, front := free(t), free(t), free(t)
	first := vsftpd(t, root, one)
	vsftpd(t, root, two)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files } }
pools: { files: { servers: [%q, %q], balance: first, health: { script: [{ expect: "220" }], every: 200ms, fall: 1 } } }
admin: "ADMIN"
logs: { access: off }
`, front, one, two), front)
	c := talk(t, front)
	c.ask("", "220")
	c.ask("USER ftp", "331")
	c.ask("PASS x", "230")
	for _, pid := range append(descendants(first.Pid()), first.Pid()) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	c.ask("", "421")
	if _, err := c.r.ReadByte(); err == nil {
		t.Error("the session goes on without a server")
	}
	fetch(t, "ftp://"+front, root, content) // the next is another server's
	if r := s.status().Tunnels.Reasons; r["server.tunnel.reset"] != 1 {
		t.Errorf("%v", r)
	}
}

// fetchActively has lftp get the file, since curl 7.88 cannot do so over TLS from any server.
func fetchActively(t *testing.T, url string, content []byte, overTLS bool) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "got")
	settings := "set ftp:passive-mode no; set net:timeout 10; set net:max-retries 1; set ftp:ssl-allow no; "
	if overTLS {
		settings = "set ftp:passive-mode no; set net:timeout 10; set net:max-retries 1; set ssl:verify-certificate no; set ftp:ssl-allow-anonymous yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; "
	}
	out, err := exec.Command("lftp", "-e", settings+"get file -o "+name+"; quit", url).CombinedOutput()
	got, _ := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("lftp got %d of %d bytes: %s %v", len(got), len(content), out, err)
	}
}

// descendants are the processes that a process has started: vsftpd has some for each session.
func descendants(pid int) (list []int) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range names {
		text, _ := os.ReadFile(name)
		for _, word := range strings.Fields(string(text)) {
			var child int
			fmt.Sscan(word, &child)
			list = append(append(list, child), descendants(child)...)
		}
	}
	return list
}

// proftpd starts the other real server, with users of its own, each with a directory; its name is what it greets with.
func proftpd(t *testing.T, name, address string, users map[string]string) {
	t.Helper()
	root, err := peers.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, "build/proftpd/usr/sbin/proftpd")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: install it with: make setup", err)
	}
	dir := t.TempDir()
	passwords := ""
	for user, home := range users {
		hash, err := exec.Command("openssl", "passwd", "-6", "secret").Output()
		if err != nil {
			t.Fatal(err)
		}
		passwords += fmt.Sprintf("%s:%s:%d:%d::%s:/bin/sh\n", user, strings.TrimSpace(string(hash)), 65534, 65534, home)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(address)
	config := fmt.Sprintf("ServerType standalone\nServerName %q\nServerIdent on \"proftpd %[1]s\"\nDefaultAddress %s\nSocketBindTight on\nPort %s\nUser nobody\nGroup nogroup\nAuthUserFile %s/users\n"+
		"AuthOrder mod_auth_file.c\nRequireValidShell off\nPidFile %[4]s/pid\nScoreboardFile %[4]s/scores\nDelayEngine off\nDefaultRoot ~\nAllowForeignAddress off\nUseReverseDNS off\nWtmpLog off\nTransferLog none\n<Limit ALL>\nAllowAll\n</Limit>\n",
		name, host, port, dir)
	file := filepath.Join(dir, "proftpd.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := peers.Start("proftpd", dir, exec.Command(program, "-n", "-q", "-c", file), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
}

func TestUserChoosesThePool(t *testing.T) {
	rootA, contentA := files(t)
	rootB, contentB := files(t)
	a, b, front := free(t), free(t), free(t)
	proftpd(t, "a", a, map[string]string{"anna": rootA})
	proftpd(t, "b", b, map[string]string{"bert": rootB, "carl": rootB})
	start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: b, ftp: { greeting: Files, users: { anna: a, bert: b } } } }
pools: { a: { servers: [%q] }, b: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, a, b), front)
	for name, options := range ways {
		for user, content := range map[string][]byte{"anna": contentA, "bert": contentB, "carl": contentB} {
			out, err := exec.Command("curl", append([]string{"-sv", "--max-time", "20", "-u", user + ":secret", "ftp://" + front + "/file"}, options...)...).Output()
			if err != nil || !bytes.Equal(out, content) {
				t.Errorf("%s, %s: %d bytes: %v", user, name, len(out), err)
			}
		}
	}
	c := talk(t, front)
	c.ask("", "220 Files")
	c.ask("PWD", "530")
	c.ask("FEAT", "211")
	c.ask("USER anna", "331")
	c.ask("PASS wrong", "530")
}

// Weir ends when what is under way has.
func TestDrainWaitsForTransfers(t *testing.T) {
	root, content := files(t)
	server, front := free(t), free(t)
	vsftpd(t, root, server, "anon_max_rate=5000000")
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files } }
pools: { files: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, server), front)
	idle := talk(t, front)
	idle.ask("", "220")
	got := make(chan []byte, 1)
	go func() {
		out, err := exec.Command("curl", "-sS", "--max-time", "30", "ftp://"+front+"/file").Output()
		if err != nil {
			t.Errorf("curl: %v", err)
		}
		got <- out
	}()
	eventually(t, "bytes move", func() bool { return s.status().Tunnels.Open == 2 })
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	s.Signal(syscall.SIGTERM)
	idle.ask("", "421")
	if b := <-got; !bytes.Equal(b, content) {
		t.Errorf("%d of %d bytes arrived", len(b), len(content))
	}
	eventually(t, "weir has ended", func() bool { return !s.Alive() })
	if took := time.Since(began); took < 500*time.Millisecond || took > 20*time.Second {
		t.Errorf("weir ended after %v", took)
	}
}
