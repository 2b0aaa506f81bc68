package systemd

import (
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// firstSocket is the descriptor at which the sockets of a socket unit begin.
const firstSocket = 3

// Sockets are the descriptors of listening sockets that weir was started with, by address as package engine writes it. It is called once:
// what weir starts itself does not inherit the environment that speaks of them.
func Sockets() map[string][]int {
	pid, n := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	count, err := strconv.Atoi(n)
	if err != nil || pid != strconv.Itoa(os.Getpid()) {
		return nil
	}
	sockets := map[string][]int{}
	for fd := firstSocket; fd < firstSocket+count; fd++ {
		unix.CloseOnExec(fd)
		if address := addressOf(fd); address != "" {
			sockets[address] = append(sockets[address], fd)
		}
	}
	return sockets
}

// addressOf is where a stream socket listens; "" for what is none.
func addressOf(fd int) string {
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return ""
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return ""
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		return "unix:" + a.Name
	}
	return ""
}
