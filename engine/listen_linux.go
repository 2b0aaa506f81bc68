package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// acceptsPerTurn bounds what a connection storm takes from the loop's other connections. HAProxy found 4 best; with
// a batch of 256 events per turn 16 keeps short connections from queueing.
const acceptsPerTurn = 16

// acceptor is a listening socket on one loop. Owned by its loop.
type acceptor struct {
	loop    *Loop
	fd      int
	gen     int32
	handler Handler
	isUnix  bool
	paused  bool
	timer   timer
	single  bool // the only socket of its listener, as for Unix sockets: connections are dealt to all loops
}

// Listen binds address on every loop, a socket each (SO_REUSEPORT), and serves accepted connections with h. Not from a loop.
func (e *Engine) Listen(address Address, config ListenConfig, h Handler) (*Listener, error) {
	if e.loops[0].portable != nil {
		return e.listenPortable(address, h)
	}
	ln := &Listener{Address: address, engine: e, isInherited: len(config.Sockets) > 0}
	config.Congestion = e.congestion(config.Congestion, address.IP.Addr())
	count := len(e.loops)
	if address.Path != "" {
		count = 1
	}
	fds, err := ln.take(config, count, func() (int, error) { return listenSocket(ln.Address, config) })
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	acceptors := make([]*acceptor, len(fds))
	for i, fd := range fds {
		acceptors[i] = &acceptor{loop: e.loops[i%len(e.loops)], fd: fd, handler: h, isUnix: address.Path != "", single: len(fds) < len(e.loops)}
		acceptors[i].timer.owner = acceptors[i]
	}
	each := func(do func(*acceptor)) {
		for _, a := range acceptors {
			a.loop.Call(func() { do(a) })
		}
	}
	ln.start = func() { each((*acceptor).open) }
	ln.leave = func() { each((*acceptor).leave) }
	ln.sockets = func() []int { return fds }
	ln.close = func() {
		each((*acceptor).shut)
		if address.Path != "" {
			os.Remove(address.Path)
		}
	}
	if !config.Paused {
		ln.Start()
	}
	return ln, nil
}

// take takes over the sockets of another process, or opens so many. Of port 0 the first chooses for all.
func (ln *Listener) take(config ListenConfig, count int, open func() (int, error)) (fds []int, err error) {
	for _, fd := range config.Sockets {
		syscall.CloseOnExec(fd)
		if err := syscall.SetNonblock(fd, true); err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	if len(config.Sockets) > 0 {
		return config.Sockets, nil
	}
	if !config.Beside {
		if err := probe(ln.Address); err != nil {
			return nil, err
		}
	}
	for range count {
		fd, err := open()
		if err != nil {
			for _, fd := range fds {
				syscall.Close(fd)
			}
			return nil, err
		}
		fds = append(fds, fd)
		if ln.Address.Path == "" && ln.Address.IP.Port() == 0 {
			sa, _ := syscall.Getsockname(fd)
			ln.Address.IP = netip.AddrPortFrom(ln.Address.IP.Addr(), addrPort(sa).Port())
		}
	}
	return fds, nil
}

// CanListen reports why Listen would fail for the address, as far as that can be known without listening.
func CanListen(address Address) error {
	try := probe
	if address.Path != "" {
		try = probeUnix
	}
	if err := try(address); err != nil {
		return fmt.Errorf("listen %s: %w", address, err)
	}
	return nil
}

// probe finds out whether somebody listens on the address already. SO_REUSEPORT would let two weirs share it, each with half of the
// clients, which nobody who starts the second one means.
func probe(address Address) error {
	if address.Path != "" || address.IP.Port() == 0 {
		return nil
	}
	domain, sa := sockaddr(address)
	kind := syscall.SOCK_STREAM
	if address.IsDatagram {
		kind = syscall.SOCK_DGRAM
	}
	fd, err := syscall.Socket(domain, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer syscall.Close(fd)
	if !address.IsDatagram { // two sockets of UDP with it would share an address
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	return os.NewSyscallError("bind", syscall.Bind(fd, sa))
}

// probeUnix finds out whether a Unix socket could be made, and makes none.
func probeUnix(address Address) error {
	const write, search = 2, 1
	st, err := os.Lstat(address.Path)
	if err == nil && (st.Mode()&os.ModeSocket == 0 || !isStale(address.Path)) {
		return os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	directory := filepath.Dir(address.Path)
	if err := syscall.Access(directory, write|search); err != nil {
		return &os.PathError{Op: "access", Path: directory, Err: err}
	}
	return nil
}

func listenSocket(address Address, config ListenConfig) (int, error) {
	domain, sa := sockaddr(address)
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	fail := func(call string, err error) (int, error) {
		syscall.Close(fd)
		return -1, os.NewSyscallError(call, err)
	}
	if address.Path != "" {
		removeStale(address.Path)
	} else {
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
		if !config.exclusive {
			if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1); err != nil {
				return fail("setsockopt SO_REUSEPORT", err)
			}
		}
		if domain == syscall.AF_INET6 {
			only := 1
			if address.IP.Addr().IsUnspecified() {
				only = 0
			}
			syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, only)
		}
		// Accepted sockets inherit these, so that no connection pays a system call for them.
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotsentLowat, notsent)
		watchPeer(fd)
		if config.DeferAccept {
			syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, deferSeconds)
		}
		if config.Transparent {
			if err := setTransparent(fd, domain); err != nil {
				syscall.Close(fd)
				return -1, err
			}
		}
		if config.Congestion != "" {
			syscall.SetsockoptString(fd, syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, config.Congestion)
		}
	}
	if err := syscall.Bind(fd, sa); err != nil {
		return fail("bind", err)
	}
	backlog := config.Backlog
	if backlog == 0 {
		backlog = 4096
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return fail("listen", err)
	}
	return fd, nil
}

// DeferAccept changes the option of that name for connections to come: a listener whose server speaks first must not have it. Any goroutine.
func (ln *Listener) DeferAccept(on bool) {
	if ln.sockets == nil || ln.Address.Path != "" {
		return
	}
	seconds := 0
	if on {
		seconds = deferSeconds
	}
	for _, fd := range ln.sockets() {
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, seconds)
	}
}

const deferSeconds = 5

const (
	soReusePort     = 0xf
	tcpNotsentLowat = 0x19
)

// notsent is how many bytes the system takes for a client beyond what is on the way to it. Without it the send buffer grows to megabytes for
// clients that do not read: memory that they hold, and that makes them look as if they read when other clients' memory is given back.
const notsent = 256 << 10

// A client that has emptied half of that so often has taken 2 MB, and gets notsentFast from then on. At 100 MB/s 128 kB last for 1.3 ms, less than a turn of a busy
// loop takes; a sender that runs dry is taken by the congestion control for one that has no more to send, and stays slow over a long link.
const (
	refillsOfFast = 16
	notsentFast   = 1 << 20
)

// removeStale removes a Unix socket that a dead process left behind.
func removeStale(path string) {
	if st, err := os.Stat(path); err == nil && st.Mode()&os.ModeSocket != 0 && isStale(path) {
		os.Remove(path)
	}
}

// isStale reports whether nobody answers at a Unix socket.
func isStale(path string) bool {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	return errors.Is(syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}), syscall.ECONNREFUSED)
}

func (a *acceptor) open() {
	l := a.loop
	l.poller.gen++
	a.gen = l.poller.gen
	l.poller.accepts[a.fd] = a
	a.control(syscall.EPOLL_CTL_ADD, syscall.EPOLLIN)
}

func (a *acceptor) control(op int, events uint32) {
	ev := syscall.EpollEvent{Events: events, Fd: int32(a.fd), Pad: a.gen}
	syscall.EpollCtl(a.loop.poller.fd, op, a.fd, &ev)
}

// leave closes this process's descriptor of a socket that another process has too. What is in the queue is the other's, and an event of the
// socket would still come here: the system takes a descriptor out of epoll only when nobody has its socket any more.
func (a *acceptor) leave() {
	a.control(syscall.EPOLL_CTL_DEL, 0)
	a.loop.wheel.remove(&a.timer)
	delete(a.loop.poller.accepts, a.fd)
	syscall.Close(a.fd)
}

// shut takes what waits in the socket's own queue, which closing would reset, and closes it.
func (a *acceptor) shut() {
	for a.acceptOne() {
	}
	a.leave()
}

func (a *acceptor) accept() {
	for range acceptsPerTurn {
		if !a.acceptOne() {
			return
		}
	}
}

// acceptOne reports whether there was a connection.
func (a *acceptor) acceptOne() bool {
	if !a.loop.engine.hasRoom() {
		a.pause(syscall.EMFILE)
		return false
	}
	var raw syscall.RawSockaddrAny
	size := uint32(unsafe.Sizeof(raw))
	fd, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(a.fd), uintptr(unsafe.Pointer(&raw)),
		uintptr(unsafe.Pointer(&size)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	switch errno {
	case 0:
	case syscall.EINTR, syscall.ECONNABORTED:
		return true
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		a.pause(errno)
		return false
	default:
		return false
	}
	l := a.loop
	l.Stats.Accepted++
	remote := rawAddrPort(&raw)
	if to := a.lighter(); to != nil {
		l.Stats.MovedAway++
		to.accepted.Add(1) // before it has come, so that a burst does not go to one loop
		to.Post(func() { to.serve(int(fd), remote, a.handler) })
		return true
	}
	l.accepted.Add(1)
	l.serve(int(fd), remote, a.handler)
	return true
}

// serve begins a connection that is counted among the accepted already.
func (l *Loop) serve(fd int, remote netip.AddrPort, h Handler) {
	if c := l.adoptAccepted(fd, remote); c != nil {
		l.start(h, c, nil)
	}
}

// adoptAccepted is adopt for a connection that is counted among the accepted already; nil if it could not be.
func (l *Loop) adoptAccepted(fd int, remote netip.AddrPort) *epollConn {
	c, err := l.adopt(fd, netip.AddrPort{}, remote)
	if err != nil {
		l.accepted.Add(-1)
		return nil
	}
	c.isAccepted, c.since = true, l.now
	return c
}

// lighter is the loop that should have a new connection instead of this one: the system spreads connections by a hash, which leaves
// one loop with half as many again when connections are few. nil: this one. Only what clients have opened counts: a loop that keeps many idle
// connections to servers is the one that has had most of the work, and would not be given any more.
func (a *acceptor) lighter() *Loop {
	if len(a.loop.engine.loops) == 1 {
		return nil
	}
	least := a.loop.engine.lightest(a.loop)
	mine, its := a.loop.accepted.Load(), least.accepted.Load()
	if a.single && mine > its || mine > its+its/8+8 {
		return least
	}
	return nil
}

// lightest is the loop with the fewest accepted connections; of equals, first is preferred.
func (e *Engine) lightest(first *Loop) *Loop {
	least, its := first, first.accepted.Load()
	for _, l := range e.loops {
		if n := l.accepted.Load(); n < its {
			least, its = l, n
		}
	}
	return least
}

// pause stops accepting for a moment when descriptors or memory have run out: the connections that are open go on, those that wait
// stay in the system's queue.
func (a *acceptor) pause(errno syscall.Errno) {
	if a.paused {
		return
	}
	a.paused = true
	a.loop.Stats.AcceptPause++
	if n := a.loop.Stats.AcceptPause; n&(n-1) == 0 {
		a.loop.engine.config.Log("accept: %v: connections wait in the system's queue until some of the open ones end (seen %d times)", errno, n)
	}
	a.control(syscall.EPOLL_CTL_MOD, 0)
	a.loop.wheel.add(&a.timer, a.loop.now+50)
}

func (a *acceptor) expire(int64) {
	a.paused = false
	a.control(syscall.EPOLL_CTL_MOD, syscall.EPOLLIN)
}
