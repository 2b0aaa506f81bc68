package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/weir-proxy/weir/engine"
)

// inside says that the test runs in a network of its own, with ten ports.
const inside = "WEIR_TEST_TEN_PORTS"

func TestSourcesAreUsedInTurnUntilTheirPortsAreGone(t *testing.T) {
	if os.Getenv(inside) == "" {
		inNetworkOfItsOwn(t)
		return
	}
	fewPorts(t, 10)
	for _, family := range [][]string{{"127.0.0.1", "127.0.0.5", "127.0.0.6"}, {"::1", "::1"}} {
		t.Run(family[0], func(t *testing.T) {
			server := accept(t, family[0])
			config := &Config{Connect: time.Second, Sources: []netip.Addr{netip.MustParseAddr("192.0.2.1")}} // not there
			if netip.MustParseAddr(family[0]).Is4() {
				config.Sources[0] = netip.MustParseAddr("2001:db8::1") // of the other family
			}
			for _, source := range family[1:] {
				config.Sources = append(config.Sources, netip.MustParseAddr(source))
			}
			most := 10 * (len(family) - 1)
			used, conns, errs := dialAll(t, server, config, most+5)
			for _, source := range family[1:] {
				if used[source] != 10 {
					t.Errorf("%d connections from %s, want all its 10 ports: %v", used[source], source, used)
				}
			}
			for _, err := range errs {
				if !errors.Is(err, ErrPorts) {
					t.Errorf("beyond them: %v, want %v", err, ErrPorts)
				}
			}
			if len(errs) != 5 || conns.Open != most || conns.NoPorts < uint64(len(family)-1) {
				t.Errorf("%d refusals, %d open, %d times no port", len(errs), conns.Open, conns.NoPorts)
			}
		})
	}
}

// dialAll opens n connections on a loop.
func dialAll(t *testing.T, server engine.Address, config *Config, n int) (used map[string]int, conns *Conns, errs []error) {
	e, err := engine.New(engine.Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	l := e.Loops()[0]
	conns, used = NewConns(l), map[string]int{}
	done := make(chan struct{})
	l.Call(func() {
		l.Go(run(func() {
			defer close(done)
			for range n {
				c, err := conns.Dial(config, Dialing{Address: server})
				if err != nil {
					errs = append(errs, err)
					continue
				}
				used[c.LocalAddr().Addr().String()]++
			}
		}))
	})
	<-done
	return used, conns, errs
}

type run func()

func (r run) Run() { r() }

// accept is a server that holds its connections.
func accept(t *testing.T, ip string) engine.Address {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "8080"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	return engine.Address{IP: l.Addr().(*net.TCPAddr).AddrPort()}
}

// fewPorts raises the loopback interface and leaves the system n ports to choose from.
func fewPorts(t *testing.T, n int) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(os.NewSyscallError("ioctl SIOCSIFFLAGS", errno))
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", fmt.Appendf(nil, "40000 %d", 40000+n-1), 0); err != nil {
		t.Fatal(err)
	}
}

// inNetworkOfItsOwn runs the test again where nothing else is.
func inNetworkOfItsOwn(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(slices.Clone(os.Environ()), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
