package engine

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

func sockaddr(a Address) (domain int, sa syscall.Sockaddr) {
	if a.Path != "" {
		return syscall.AF_UNIX, &syscall.SockaddrUnix{Name: a.Path}
	}
	ip := a.IP.Addr().Unmap()
	if ip.Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: int(a.IP.Port()), Addr: ip.As4()}
	}
	sa6 := &syscall.SockaddrInet6{Port: int(a.IP.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		sa6.ZoneId = zoneID(zone)
	}
	return syscall.AF_INET6, sa6
}

func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func rawAddrPort(raw *syscall.RawSockaddrAny) netip.AddrPort {
	switch raw.Addr.Family {
	case syscall.AF_INET:
		sa := (*syscall.RawSockaddrInet4)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), sa.Port<<8|sa.Port>>8)
	case syscall.AF_INET6:
		sa := (*syscall.RawSockaddrInet6)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), sa.Port<<8|sa.Port>>8)
	}
	return netip.AddrPort{}
}

// zoneID is the index of an interface; 0 when there is none of that name.
func zoneID(zone string) uint32 {
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
