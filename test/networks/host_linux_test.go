package networks

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/weir-proxy/weir/test/peers"
)

// host is a machine of the test's network: a namespace, entered by threads that do something there.
type host struct {
	t    *testing.T
	name string
	ns   netns.NsHandle
}

func newHost(t *testing.T, name string) *host {
	t.Helper()
	h := &host{t: t, name: name}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		var err error
		h.ns, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatalf("network namespaces need root: %v", err)
	}
	t.Cleanup(func() { h.ns.Close() })
	h.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return h
}

// try runs do on a thread that is in the host's network.
func (h *host) try(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

func (h *host) do(do func() error) {
	h.t.Helper()
	if err := h.try(do); err != nil {
		h.t.Fatalf("%s: %v", h.name, err)
	}
}

// connect lays a cable between two hosts; addresses are of the form 10.1.0.1/24, several with spaces between.
func connect(a *host, aName, aAddresses string, b *host, bName, bAddresses string) {
	a.t.Helper()
	a.do(func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: aName}, PeerName: bName, PeerNamespace: netlink.NsFd(b.ns)}
		return netlink.LinkAdd(veth)
	})
	a.up(aName, aAddresses)
	b.up(bName, bAddresses)
}

func (h *host) up(name, addresses string) {
	h.t.Helper()
	h.do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, text := range strings.Fields(addresses) {
			address, err := netlink.ParseAddr(text)
			if err != nil {
				return err
			}
			address.Flags = syscall.IFA_F_NODAD
			if err := netlink.AddrAdd(link, address); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		return netlink.LinkSetUp(link)
	})
}

// route sends a network's packets by way of a gateway.
func (h *host) route(network, gateway string) {
	h.t.Helper()
	h.do(func() error {
		_, to, err := net.ParseCIDR(network)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: to, Gw: net.ParseIP(gateway)})
	})
}

// sysctl sets what stands below /proc/sys/net.
func (h *host) sysctl(name, value string) {
	h.t.Helper()
	h.do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
}

// forwards makes the host a router.
func (h *host) forwards() {
	h.t.Helper()
	h.sysctl("ipv4/ip_forward", "1")
	h.sysctl("ipv6/conf/all/forwarding", "1")
}

func (h *host) listen(network, address string) (l net.Listener) {
	h.t.Helper()
	h.do(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	h.t.Cleanup(func() { l.Close() })
	return l
}

func (h *host) dial(network, address string) (c net.Conn, err error) {
	err = h.try(func() (err error) {
		c, err = net.DialTimeout(network, address, 3*time.Second)
		return err
	})
	return c, err
}

// process is a program that runs on a host.
type process struct {
	*exec.Cmd
	out  *output
	done chan struct{}
}

// output is what a program says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// run starts a program on the host; it ends with the test.
func (h *host) run(dir string, args ...string) *process {
	h.t.Helper()
	p := &process{Cmd: exec.Command(args[0], args[1:]...), out: &output{}, done: make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = dir, p.out, p.out
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(h.ns)
		if err == nil {
			p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			err = p.Start()
		}
		started <- err
		if err == nil {
			p.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		h.t.Fatalf("%s: %v", h.name, err)
	}
	h.t.Cleanup(func() {
		p.stop()
		if h.t.Failed() {
			h.t.Logf("%s: %s said:\n%s", h.name, filepath.Base(args[0]), p.out)
		}
	})
	return p
}

// stop ends the program as an operator does, and at last by force.
func (p *process) stop() {
	p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Process.Kill()
		<-p.done
	}
}

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// weir runs weir on the host, until it says that it serves.
func (h *host) weir(config string) *process {
	h.t.Helper()
	return h.weirIn(h.t.TempDir(), config)
}

// weirIn is weir in a directory, where another may have been before.
func (h *host) weirIn(dir, config string, options ...string) *process {
	h.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(settled(config, dir)), 0o644); err != nil {
		h.t.Fatal(err)
	}
	p := h.run(dir, append([]string{binary, "run", "-c", "weir.yaml", "--loops", "2"}, options...)...)
	within(h.t, 10*time.Second, "weir to serve", func() bool { return strings.Contains(p.out.String(), "msg=serving") })
	return p
}

// settled is a configuration in a directory, which also has what weir keeps: a test leaves nothing in the machine's own /var/lib/weir.
func settled(config, dir string) string {
	if !strings.Contains(config, "\ndata:") {
		config += "\ndata: DIR/data\n"
	}
	return strings.ReplaceAll(config, "DIR", dir)
}

// within waits until the condition holds.
func within(t *testing.T, d time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", d, what)
		}
	}
}
