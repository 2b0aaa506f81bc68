package layer4

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// aborting breaks off a download by an urgent ABOR, as Python's ftplib sends it, and goes on with the session: each command gets its own reply.
const aborting = `
import ftplib, sys
host, port = sys.argv[1].rsplit(':', 1)
for way in range(6):
    f = ftplib.FTP()
    f.connect(host, int(port), timeout=10)
    f.login()
    f.voidcmd('TYPE I')
    data = f.transfercmd('RETR large')
    data.recv(1000)
    if way % 2:
        data.close()
    try:
        reply = f.abort()
    except ftplib.error_proto as e:
        reply = str(e)
    data.close()
    if not reply.startswith(('225', '226', '426')):
        print('ABOR:', reply)
    if reply.startswith('426'):
        reply = f.getmultiline()
        if not reply.startswith(('225', '226')):
            print('after 426:', reply)
    for command, code in (('NOOP', '200'), ('PWD', '257'), ('TYPE A', '200'), ('NOOP', '200')):
        reply = f.sendcmd(command)
        if not reply.startswith(code):
            print(command + ':', reply)
    f.quit()
print('done')
`

func TestAnAbortedTransferLeavesTheSessionInStep(t *testing.T) {
	root, _ := files(t)
	if err := os.WriteFile(filepath.Join(root, "large"), make([]byte, 64<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	server, front := free(t), free(t)
	vsftpd(t, root, server, "async_abor_enable=YES")
	start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files } }
pools: { files: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, server), front)
	said, err := exec.Command("python3", "-c", aborting, front).CombinedOutput()
	if err != nil || strings.TrimSpace(string(said)) != "done" {
		t.Errorf("%s %v", said, err)
	}
}

// Behind NAT clients reach weir by another address than it has: PASV tells them that one, and EPSV tells none.
func TestFTPAnnouncesTheAddressThatClientsUse(t *testing.T) {
	root, _ := files(t)
	server, front := free(t), free(t)
	vsftpd(t, root, server)
	start(t, t.TempDir(), fmt.Sprintf(`
listeners: { files: { address: %q, protocol: ftp, pool: files, ftp: { announce: 203.0.113.5 } } }
pools: { files: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, server), front)
	c := talk(t, front)
	c.ask("", "220")
	c.ask("USER anonymous", "331")
	c.ask("PASS a", "230")
	if reply := c.ask("PASV", "227"); !strings.Contains(reply, "(203,0,113,5,") {
		t.Errorf("%q", reply)
	}
	c.ask("EPSV", "229")
}
