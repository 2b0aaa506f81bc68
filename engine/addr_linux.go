package engine

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

func domainOf(a Address) int {
	switch {
	case a.Path != "":
		return syscall.AF_UNIX
	case a.IP.Addr().Unmap().Is4():
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}

func sockaddr(a Address) (domain int, sa syscall.Sockaddr) {
	ip := a.IP.Addr().Unmap()
	switch domain = domainOf(a); domain {
	case syscall.AF_UNIX:
		return domain, &syscall.SockaddrUnix{Name: a.Path}
	case syscall.AF_INET:
		return domain, &syscall.SockaddrInet4{Port: int(a.IP.Port()), Addr: ip.As4()}
	}
	sa6 := &syscall.SockaddrInet6{Port: int(a.IP.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		sa6.ZoneId = zoneID(zone)
	}
	return domain, sa6
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

// rawName writes the address as a socket of IPv6, or of IPv4, takes it, and returns its size.
func rawName(raw *syscall.RawSockaddrInet6, to netip.AddrPort, is6 bool) uint32 {
	port := to.Port()<<8 | to.Port()>>8
	if !is6 {
		sa := (*syscall.RawSockaddrInet4)(unsafe.Pointer(raw))
		*sa = syscall.RawSockaddrInet4{Family: syscall.AF_INET, Port: port, Addr: to.Addr().Unmap().As4()}
		return syscall.SizeofSockaddrInet4
	}
	*raw = syscall.RawSockaddrInet6{Family: syscall.AF_INET6, Port: port, Addr: to.Addr().As16()}
	if zone := to.Addr().Zone(); zone != "" {
		raw.Scope_id = zoneID(zone)
	}
	return syscall.SizeofSockaddrInet6
}

// zoneID is the index of an interface; 0 when there is none of that name.
func zoneID(zone string) uint32 {
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
