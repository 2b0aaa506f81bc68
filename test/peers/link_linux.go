package peers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Link joins this machine to a network namespace of its own by a wire with a delay and losses. The packets are real ones, so that the
// kernel's TCP and a program's QUIC see the round trip and the losses; Far stands between two TCP connections that see none.
type Link struct {
	Here  string // the IP address of this machine on the link
	There string // the IP address of the namespace

	ns      netns.NsHandle
	delay   time.Duration // each way
	loss    atomic.Uint64 // packets lost in a million
	devices []*os.File
}

// linkPackets is how many packets can be on their way in one direction: 64 ms of 1 Gbit/s in packets of 1,500 bytes, five times over.
const linkPackets = 1 << 15

// NewLink makes a link that delivers each packet after the delay, in order. It needs root.
func NewLink(delay time.Duration) (*Link, error) {
	l := &Link{Here: linkHere, There: linkThere, ns: netns.None(), delay: delay}
	if err := l.open(); err != nil {
		l.Close()
		return nil, fmt.Errorf("a link with a delay needs root and /dev/net/tun: %w", err)
	}
	return l, nil
}

func (l *Link) open() error {
	here, err := tun("far-"+fmt.Sprint(os.Getpid()), l.Here)
	if err != nil {
		return err
	}
	l.devices = append(l.devices, here)
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		var err error
		l.ns, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		return err
	}
	err = l.Do(func() error {
		there, err := tun("far", l.There)
		if err == nil {
			l.devices = append(l.devices, there)
		}
		return err
	})
	if err != nil {
		return err
	}
	go l.carry(l.devices[0], l.devices[1])
	go l.carry(l.devices[1], l.devices[0])
	return nil
}

// tun makes a device of the calling thread's network with one end of the link's addresses.
func tun(name, address string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		err = deviceUp(name, address)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	// The runtime's poller takes a device only once it is one.
	again, err := syscall.Dup(fd)
	f.Close()
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(again)
	return os.NewFile(uintptr(again), name), nil
}

func deviceUp(name, address string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	// What the kernel sends at once must fit into the device's queue: the link itself loses nothing that it was not told to.
	if err := netlink.LinkSetTxQLen(link, linkPackets); err != nil {
		return err
	}
	a, err := netlink.ParseAddr(address + "/30")
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
}

// Lose makes the link lose so many packets of a hundred from now on, each way, the same ones in every run.
func (l *Link) Lose(percent float64) { l.loss.Store(uint64(percent * 10_000)) }

// Do runs do on a thread of the namespace: sockets that it opens are there.
func (l *Link) Do(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(l.ns); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

// Dial connects from the namespace.
func (l *Link) Dial(network, address string) (c net.Conn, err error) {
	err = l.Do(func() (err error) {
		c, err = net.Dial(network, address)
		return err
	})
	return c, err
}

// ListenPacket opens a UDP socket of the namespace.
func (l *Link) ListenPacket() (c *net.UDPConn, err error) {
	err = l.Do(func() (err error) {
		c, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(l.There)})
		return err
	})
	return c, err
}

// Close takes the link away.
func (l *Link) Close() {
	for _, f := range l.devices {
		f.Close()
	}
	if l.ns.IsOpen() {
		l.ns.Close()
	}
}

// linkPacket is room for a packet of the devices' MTU.
type linkPacket struct {
	bytes [1500]byte
	n     int
	at    time.Time
}

// carry takes packets from one device to the other until either is closed. Their room goes round in a ring.
func (l *Link) carry(from, to *os.File) {
	way, free := make(chan *linkPacket, linkPackets), make(chan *linkPacket, linkPackets)
	go func() {
		for p := range way {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.bytes[:p.n]); err != nil && !strings.Contains(err.Error(), "no buffer space") {
				from.Close()
			}
			free <- p
		}
	}()
	defer close(way)
	dice := rand.New(rand.NewPCG(1, 2))
	for made := 0; ; {
		var p *linkPacket
		select {
		case p = <-free:
		default:
			if made == linkPackets {
				p = <-free
			} else {
				p, made = new(linkPacket), made+1
			}
		}
		var err error
		if p.n, err = from.Read(p.bytes[:]); err != nil {
			return
		}
		if dice.Uint64N(1_000_000) < l.loss.Load() {
			free <- p
			continue
		}
		p.at = time.Now().Add(l.delay)
		way <- p
	}
}
