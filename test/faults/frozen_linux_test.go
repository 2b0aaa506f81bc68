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

// frozenDir is an empty directory whose file system, FUSE with this test as its server, can be made to answer nothing any more, as one of a network whose server is gone.
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
	fuseInit      = 26
	fuseInterrupt = 36
	fuseHead      = 40
)

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
		switch {
		case operation == fuseInit:
			out := make([]byte, 64)
			binary.NativeEndian.PutUint32(out, 7)
			binary.NativeEndian.PutUint32(out[4:], 31)
			binary.NativeEndian.PutUint32(out[20:], 4096) // the largest write
			d.reply(id, 0, out)
		case d.frozen.Load() || operation == fuseForget || operation == fuseInterrupt:
		case operation == fuseGetattr:
			out := make([]byte, 104)
			binary.NativeEndian.PutUint64(out[16:], 1)       // the inode
			binary.NativeEndian.PutUint32(out[76:], 0o40755) // a directory
			binary.NativeEndian.PutUint32(out[80:], 2)       // its links
			binary.NativeEndian.PutUint32(out[96:], 4096)    // the size of blocks
			d.reply(id, 0, out)
		case operation == fuseLookup:
			d.reply(id, syscall.ENOENT, nil)
		default:
			d.reply(id, syscall.ENOSYS, nil)
		}
	}
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
