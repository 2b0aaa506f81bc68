package networks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const shownFTP = `
listeners: { front: { address: "LISTEN", protocol: ftp, pool: files } }
pools: { files: { servers: ["SERVER"], source: client } }
network: on
admin: off
logs: { access: off }
`

// A server that sees the client's address sees it on data connections too: in passive mode weir connects from it, in active mode it listens at it. With IPv6 these are EPSV and EPRT.
func TestFTPWithTheClientsAddress(t *testing.T) {
	for family, c := range map[string]struct{ listen, server, at string }{
		"IPv4": {"10.1.0.1:21", "10.2.0.2:21", "listen=YES\nlisten_address=10.2.0.2\n"},
		"IPv6": {"[fd01::1]:21", "[fd02::2]:21", "listen=NO\nlisten_ipv6=YES\nlisten_address6=fd02::2\n"},
	} {
		t.Run(family, func(t *testing.T) { ftpWithTheClientsAddress(t, c.listen, c.server, c.at) })
	}
}

func ftpWithTheClientsAddress(t *testing.T, listen, at, listens string) {
	client, weir, server := between(t)
	root, err := os.MkdirTemp("/tmp", "weir-ftp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	os.Chmod(root, 0o755)
	files := filepath.Join(root, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files, "file"), []byte(strings.Repeat("content ", 10_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(root, "vsftpd.conf")
	log := filepath.Join(root, "log")
	lines := listens + "background=NO\nanonymous_enable=YES\nno_anon_password=YES\nanon_root=" + files +
		"\nsecure_chroot_dir=" + files + "\nseccomp_sandbox=NO\nport_enable=YES\nconnect_from_port_20=YES\nxferlog_enable=YES\nvsftpd_log_file=" + log + "\n"
	if err := os.WriteFile(config, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	server.run(root, "/usr/sbin/vsftpd", config)
	within(t, 5*time.Second, "vsftpd", func() bool {
		c, err := weir.dial("tcp", at)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	weir.weir(strings.NewReplacer("LISTEN", listen, "SERVER", at).Replace(shownFTP))
	host := strings.TrimSuffix(listen, ":21")
	for _, mode := range []string{"--ftp-pasv", "--ftp-port -"} {
		client.do(func() error {
			out, err := exec.Command("sh", "-c", "curl -gsS --max-time 10 "+mode+" 'ftp://"+host+"/file' | wc -c").CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != "80000" {
				t.Errorf("%s: %q, %v", mode, got, err)
			}
			return nil
		})
	}
}
