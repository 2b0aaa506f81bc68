package confine

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Give makes the user that Drop is for the owner of a file or Unix socket that root has opened, so that the user can open it again. Files that do not exist, and
// anything else, such as a terminal, are left alone.
func Give(file, who string) error {
	uid, gid, err := lookup(who)
	if err != nil || os.Getuid() != 0 {
		return err
	}
	if st, err := os.Lstat(file); err != nil || !st.Mode().IsRegular() && st.Mode().Type() != os.ModeSocket {
		return nil
	}
	return os.Lchown(file, uid, gid)
}

// Drop makes the process run as "name" or "name:group", both by name or number. It keeps the power over ports below 1024, and over the network if that is
// asked for (CAP_NET_ADMIN: other machines' addresses, nftables, routing). kept says why a power cannot be kept; nil: it is. A process that runs so
// already, as one that took over does, is left as it is.
func Drop(who string, network bool) (kept, err error) {
	uid, gid, err := lookup(who)
	if err != nil {
		return nil, err
	}
	if os.Getuid() == uid && os.Getgid() == gid {
		return has(powers(network)), nil
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("only root can become another user, and weir runs as user %d", os.Getuid())
	}
	if uid == 0 {
		return nil, nil
	}
	kept = all(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1)
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return nil, os.NewSyscallError("setgroups", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return nil, os.NewSyscallError("setgid", err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return nil, os.NewSyscallError("setuid", err)
	}
	if kept == nil {
		kept = keep(powers(network))
	}
	return kept, nil
}

func powers(network bool) []uintptr {
	if network {
		return []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN}
	}
	return []uintptr{unix.CAP_NET_BIND_SERVICE}
}

// keep keeps some of root's powers, for this process and for one that takes over.
func keep(powers []uintptr) error {
	bits := uint32(0)
	for _, p := range powers {
		bits |= 1 << p
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{{Effective: bits, Permitted: bits, Inheritable: bits}}
	if err := all(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data))); err != nil {
		return err
	}
	for _, p := range powers {
		if err := all(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, p); err != nil {
			return err
		}
	}
	return nil
}

func has(powers []uintptr) error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(header, &data[0]); err != nil {
		return err
	}
	for _, p := range powers {
		if data[0].Effective&(1<<p) == 0 {
			return os.NewSyscallError(map[uintptr]string{unix.CAP_NET_BIND_SERVICE: "bind below 1024", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN"}[p], syscall.EPERM)
		}
	}
	return nil
}

// all makes a system call on every thread: the kernel's powers belong to threads. It fails in a program that is linked with C, whose threads the
// runtime does not know.
func all(number uintptr, arguments ...uintptr) error {
	var a [6]uintptr
	copy(a[:], arguments)
	if _, _, errno := syscall.AllThreadsSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

func lookup(who string) (uid, gid int, err error) {
	name, group, hasGroup := strings.Cut(who, ":")
	if uid, err = strconv.Atoi(name); err == nil {
		gid = uid
	} else {
		u, err := user.Lookup(name)
		if err != nil {
			return 0, 0, err
		}
		uid, _ = strconv.Atoi(u.Uid)
		gid, _ = strconv.Atoi(u.Gid)
	}
	if !hasGroup {
		return uid, gid, nil
	}
	if gid, err = strconv.Atoi(group); err == nil {
		return uid, gid, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(g.Gid)
	return uid, gid, err
}
