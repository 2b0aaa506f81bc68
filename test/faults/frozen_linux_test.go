package faults

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-proxy/weir/control/admin/api"
)

// frozenDir is a directory with two files whose file system, FUSE with this test as its server, can be made to answer nothing any more, as one of a network whose server is gone.
type frozenDir struct {
	path   string
	device int
	frozen atomic.Bool
	ended  sync.Once
}

// Operations of FUSE (include/uapi/linux/fuse.h).
const (
	fuseLookup    = 1
	fuseForget    = 2
	fuseGetattr   = 3
	fuseOpen      = 14
	fuseRead      = 15
	fuseRelease   = 18
	fuseFlush     = 25
	fuseInit      = 26
	fuseInterrupt = 36
	fuseHead      = 40
)

// frozenFiles are the files of the directory, by name; the number of the first is 2.
var frozenFiles = []struct {
	name string
	size int
}{{"small.txt", 100}, {"large.bin", 64 << 10}}

func newFrozenDir(t *testing.T) *frozenDir {
	dir := t.TempDir()
	node := filepath.Join(dir, "fuse") // where there is no udev, /dev may be without it
	if err := unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))); err != nil {
		t.Fatal("needs root: sudo make test: ", err)
	}
	device, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal("needs FUSE in the kernel: modprobe fuse: ", err)
	}
	d := &frozenDir{path: filepath.Join(dir, "frozen"), device: device}
	os.Mkdir(d.path, 0o755)
	if err := unix.Mount("weir", d.path, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device)); err != nil {
		unix.Close(device)
		t.Fatal("needs root: sudo make test: ", err)
	}
	t.Cleanup(d.thaw)
	go d.serve()
	return d
}

// thaw ends the file system: what hangs in it fails.
func (d *frozenDir) thaw() {
	d.ended.Do(func() {
		unix.Unmount(d.path, unix.MNT_FORCE)
		unix.Unmount(d.path, unix.MNT_DETACH) // where the first found it in use
	})
}

func (d *frozenDir) serve() {
	buf := make([]byte, 1<<20)
	for {
		n, err := unix.Read(d.device, buf)
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil || n < fuseHead {
			unix.Close(d.device)
			return
		}
		operation, id := binary.NativeEndian.Uint32(buf[4:]), binary.NativeEndian.Uint64(buf[8:])
		if operation == fuseInit || !d.frozen.Load() {
			d.answer(operation, id, binary.NativeEndian.Uint64(buf[16:]), buf[fuseHead:n])
		}
	}
}

// answer answers a request about the file of a number, 1 for the directory.
func (d *frozenDir) answer(operation uint32, id, node uint64, body []byte) {
	switch operation {
	case fuseInit:
		out := make([]byte, 64)
		binary.NativeEndian.PutUint32(out, 7)
		binary.NativeEndian.PutUint32(out[4:], 31)
		binary.NativeEndian.PutUint32(out[20:], 4096) // the largest write
		d.reply(id, 0, out)
	case fuseForget, fuseInterrupt:
	case fuseGetattr:
		d.reply(id, 0, append(make([]byte, 16), attributes(node)...))
	case fuseLookup:
		name, _, _ := strings.Cut(string(body), "\x00")
		for i, f := range frozenFiles {
			if f.name == name {
				out := binary.NativeEndian.AppendUint64(nil, uint64(i+2))
				d.reply(id, 0, append(append(out, make([]byte, 32)...), attributes(uint64(i+2))...))
				return
			}
		}
		d.reply(id, syscall.ENOENT, nil)
	case fuseOpen:
		d.reply(id, 0, make([]byte, 16))
	case fuseRead:
		from, size := binary.NativeEndian.Uint64(body[8:]), binary.NativeEndian.Uint32(body[16:])
		d.reply(id, 0, make([]byte, max(0, min(int(size), frozenFiles[node-2].size-int(from)))))
	case fuseFlush, fuseRelease:
		d.reply(id, 0, nil)
	default:
		d.reply(id, syscall.ENOSYS, nil)
	}
}

// attributes is struct fuse_attr.
func attributes(node uint64) []byte {
	out := make([]byte, 88)
	binary.NativeEndian.PutUint64(out, node)
	mode, links := uint32(0o40755), uint32(2)
	if node > 1 {
		mode, links = 0o100644, 1
		binary.NativeEndian.PutUint64(out[8:], uint64(frozenFiles[node-2].size))
		binary.NativeEndian.PutUint64(out[32:], 1_000_000_000) // when it was written to
	}
	binary.NativeEndian.PutUint32(out[60:], mode)
	binary.NativeEndian.PutUint32(out[64:], links)
	binary.NativeEndian.PutUint32(out[80:], 4096) // the size of blocks
	return out
}

func (d *frozenDir) reply(id uint64, errno syscall.Errno, body []byte) {
	out := make([]byte, 16, 16+len(body))
	binary.NativeEndian.PutUint32(out, uint32(16+len(body)))
	binary.NativeEndian.PutUint32(out[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(out[8:], id)
	unix.Write(d.device, append(out, body...))
}

// diskWork is what weir counts of its work on disks.
func diskWork(s *subject) api.Blocking {
	for _, b := range s.status().Blocking {
		if b.Work == "disk" {
			return b
		}
	}
	s.t.Fatal("no disk work is counted")
	return api.Blocking{}
}

// A directory whose file system answers nothing costs the requests for it an answer of weir's own, in time, and a few threads. Other sites, the control plane and reloads go on, and whoever leaves gives
// its place up.
func TestAFrozenDirectoryConcernsItsOwnSiteAlone(t *testing.T) {
	d := newFrozenDir(t)
	www := t.TempDir()
	os.WriteFile(filepath.Join(www, "a.txt"), []byte("a"), 0o644)
	config := strings.NewReplacer("FROZEN", d.path, "WWW", www).Replace(`
listeners: { front: "FRONT" }
sites:
  frozen.test: { /*: { files: FROZEN } }
  "*": { /hello: { respond: { body: hello } }, /*: { files: WWW } }
admin: "ADMIN"
logs: { access: off }
`)
	s := start(t, config)
	t.Cleanup(d.thaw) // before weir's end
	frozen := func(i int) net.Conn {
		c, err := net.Dial("tcp", s.address["FRONT"])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /f%d HTTP/1.1\r\nHost: frozen.test\r\n\r\n", i)
		return c
	}
	status := func(c net.Conn, within time.Duration) string {
		c.SetReadDeadline(time.Now().Add(within))
		b := make([]byte, 12)
		n, _ := c.Read(b)
		return string(b[:n])
	}
	if got := status(frozen(0), time.Second); got != "HTTP/1.1 404" {
		t.Fatalf("before it froze: %q", got)
	}
	d.frozen.Store(true)
	beside := run(4, 5*time.Millisecond, keepAlive(t, s.address["FRONT"], "/a.txt"))
	const running, waiting, refused = 32, 256, 100
	began := time.Now()
	several := func(n int) (conns []net.Conn) {
		for i := range n {
			conns = append(conns, frozen(i))
		}
		return conns
	}
	several(running)
	within(t, 3*time.Second, "work to run", func() bool { return diskWork(s).Running == running })
	conns := several(waiting)
	within(t, 3*time.Second, "work to wait", func() bool { return diskWork(s).Waiting == waiting })
	for _, c := range several(refused) {
		if got := status(c, time.Second); got != "HTTP/1.1 503" {
			t.Fatalf("one too many: %q", got)
		}
	}
	if b := diskWork(s); b.Refused != refused || b.Running != running || b.Waiting != waiting {
		t.Errorf("%+v", b)
	}
	const leave = 100
	for _, c := range conns[:leave] {
		c.Close()
	}
	within(t, 2*time.Second, "those that have left to give their places up", func() bool { return diskWork(s).Waiting == waiting-leave })
	s.write(strings.Replace(config, "body: hello", "body: again", 1))
	s.reload(reloaded)
	for _, c := range conns[leave:] {
		if got := status(c, 12*time.Second); got != "HTTP/1.1 503" {
			t.Errorf("one that waits: %q", got)
			break
		}
	}
	if took := time.Since(began); took < 9*time.Second || took > 14*time.Second {
		t.Errorf("the answer took %v", took)
	}
	if p := beside.p99(); p > time.Second {
		t.Errorf("requests for another directory took %v", p)
	}
	beside.end(t)
	if n := threads(t, s.Pid()); n > 100 {
		t.Errorf("%d threads", n)
	}
	d.thaw()
	within(t, 3*time.Second, "what hung to end", func() bool { b := diskWork(s); return b.Running == 0 && b.Waiting == 0 })
	if got := status(frozen(1), time.Second); got != "HTTP/1.1 404" {
		t.Errorf("after it: %q", got)
	}
}

// threads is how many a process has.
func threads(t *testing.T, pid int) int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Files that were open when their directory froze are closed without making anybody wait: to close one may ask its file system.
func TestFilesOfAFrozenDirectoryAreClosedByNobodyWhoIsNeeded(t *testing.T) {
	d := newFrozenDir(t)
	www := t.TempDir()
	os.WriteFile(filepath.Join(www, "a.txt"), []byte("a"), 0o644)
	s := start(t, strings.NewReplacer("FROZEN", d.path, "WWW", www).Replace(`
listeners: { front: "FRONT" }
sites:
  frozen.test: { /*: { files: FROZEN } }
  "*": { /*: { files: WWW } }
admin: "ADMIN"
logs: { access: off }
`))
	t.Cleanup(d.thaw) // before weir's end
	for range 20 {    // of both loops
		for _, f := range frozenFiles {
			c := dial(t, s.address["FRONT"])
			fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: frozen.test\r\nConnection: close\r\n\r\n", f.name)
			if status, err := c.answer(); err != nil || status != 200 {
				t.Fatalf("%s before it froze: %d, %v", f.name, status, err)
			}
			c.Close()
		}
	}
	d.frozen.Store(true)
	beside := run(8, 5*time.Millisecond, keepAlive(t, s.address["FRONT"], "/a.txt"))
	time.Sleep(13 * time.Second) // longer than files are kept that nobody asks for
	if p := beside.p99(); p > time.Second {
		t.Errorf("requests for another directory took %v", p)
	}
	beside.end(t)
	if b := diskWork(s); b.Running == 0 {
		t.Errorf("no file is being closed: %+v", b)
	}
	d.thaw()
	within(t, 3*time.Second, "what hung to end", func() bool { return diskWork(s).Running == 0 })
}
