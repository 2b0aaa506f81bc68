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
listeners: { front: { address: "10.1.0.1:21", protocol: ftp, pool: files } }
pools: { files: { servers: ["10.2.0.2:21"], source: client } }
network: on
admin: off
logs: { access: off }
`

// A server that sees the client's address sees it on data connections too: in passive mode weir connects from it, in active mode it listens at it.
func TestFTPWithTheClientsAddress(t *testing.T) {
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
	lines := "listen=YES\nbackground=NO\nlisten_address=10.2.0.2\nanonymous_enable=YES\nno_anon_password=YES\nanon_root=" + files +
		"\nsecure_chroot_dir=" + files + "\nseccomp_sandbox=NO\nport_enable=YES\nconnect_from_port_20=YES\nxferlog_enable=NO\n"
	if err := os.WriteFile(config, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	server.run(root, "/usr/sbin/vsftpd", config)
	within(t, 5*time.Second, "vsftpd", func() bool {
		c, err := weir.dial("tcp", "10.2.0.2:21")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	weir.weir(shownFTP)
	for _, mode := range []string{"--ftp-pasv", "--ftp-port -"} {
		client.do(func() error {
			out, err := exec.Command("sh", "-c", "curl -sS --max-time 10 "+mode+" ftp://10.1.0.1/file | wc -c").CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != "80000" {
				t.Errorf("%s: %q, %v", mode, got, err)
			}
			return nil
		})
	}
}
