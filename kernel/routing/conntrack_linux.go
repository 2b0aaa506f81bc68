package routing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// eachTracked calls do for every entry of TCP and UDP that connection tracking has of a family, one after the other: a table of a million entries is not held in memory. isOpen is
// false for TCP connections that are no more than the memory of one: TIME_WAIT or CLOSE. Entries that come and go meanwhile may be missed.
func eachTracked(family uint8, do func(c Carried, isOpen bool)) error {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	err := request.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if len(message) > 4 {
			if c, isOpen, is := trackedOf(message[4:]); is {
				do(c, isOpen)
			}
		}
		return true
	})
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("connection tracking: %w", err)
	}
	return nil
}

// Attributes of an entry, see linux/netfilter/nfnetlink_conntrack.h.
const (
	trackedThere, trackedBack, trackedProtocol                = 1, 2, 4
	tupleAddresses, tuplePorts                                = 1, 2
	source4, destination4, source6, destination6              = 1, 2, 3, 4
	protocolNumber, protocolSource, protocolDestination       = 1, 2, 3
	protocolTCP, stateTCP                                     = 1, 1
	timeWait, closed                                    uint8 = 7, 8 // TCP_CONNTRACK_…
)

// trackedOf reads an entry; is reports whether it is of TCP or UDP.
func trackedOf(body []byte) (c Carried, isOpen, is bool) {
	isOpen = true
	protocol := uint8(0)
	eachAttribute(body, func(kind uint16, data []byte) {
		switch kind {
		case trackedThere:
			protocol, c.Client, c.Listen = tupleOf(data)
		case trackedBack:
			_, c.Server, c.Back = tupleOf(data)
		case trackedProtocol:
			eachAttribute(data, func(kind uint16, data []byte) {
				if kind != protocolTCP {
					return
				}
				eachAttribute(data, func(kind uint16, data []byte) {
					if kind == stateTCP && len(data) > 0 {
						isOpen = data[0] != timeWait && data[0] != closed
					}
				})
			})
		}
	})
	c.UDP = protocol == unix.IPPROTO_UDP
	return c, isOpen, c.UDP || protocol == unix.IPPROTO_TCP
}

// tupleOf reads one direction of an entry.
func tupleOf(body []byte) (protocol uint8, from, to netip.AddrPort) {
	var ips [2]netip.Addr
	var ports [2]uint16
	eachAttribute(body, func(kind uint16, data []byte) {
		eachAttribute(data, func(part uint16, data []byte) {
			switch {
			case kind == tupleAddresses && (part == source4 || part == source6):
				ips[0], _ = netip.AddrFromSlice(data)
			case kind == tupleAddresses && (part == destination4 || part == destination6):
				ips[1], _ = netip.AddrFromSlice(data)
			case kind == tuplePorts && part == protocolNumber && len(data) > 0:
				protocol = data[0]
			case kind == tuplePorts && part == protocolSource && len(data) == 2:
				ports[0] = binary.BigEndian.Uint16(data)
			case kind == tuplePorts && part == protocolDestination && len(data) == 2:
				ports[1] = binary.BigEndian.Uint16(data)
			}
		})
	})
	return protocol, netip.AddrPortFrom(ips[0].Unmap(), ports[0]), netip.AddrPortFrom(ips[1].Unmap(), ports[1])
}

// eachAttribute calls do for every attribute of netlink; what is cut off is left out.
func eachAttribute(body []byte, do func(kind uint16, data []byte)) {
	for len(body) >= 4 {
		size := int(binary.NativeEndian.Uint16(body))
		if size < 4 || size > len(body) {
			return
		}
		do(binary.NativeEndian.Uint16(body[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), body[4:size])
		body = body[min((size+3)&^3, len(body)):]
	}
}
