package routing

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Neighbour is the hardware address of a machine on an interface's network, as far as the kernel knows it. Where it does not, it is made to ask: the next
// call may know.
func Neighbour(device string, of netip.Addr) (hardware [6]byte, err error) {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return hardware, fmt.Errorf("interface %s: %w", device, err)
	}
	family := unix.AF_INET6
	if of.Is4() {
		family = unix.AF_INET
	}
	list, err := netlink.NeighList(link.Attrs().Index, family)
	if err != nil {
		return hardware, fmt.Errorf("neighbours of %s: %w", device, err)
	}
	for _, n := range list {
		if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == of && len(n.HardwareAddr) == 6 && n.State&(netlink.NUD_FAILED|netlink.NUD_INCOMPLETE) == 0 {
			return [6]byte(n.HardwareAddr), nil
		}
	}
	if c, err := net.Dial("udp", netip.AddrPortFrom(of, discard).String()); err == nil {
		c.Write([]byte{0})
		c.Close()
	}
	return hardware, fmt.Errorf("%v: %w on %s", of, ErrUnknown, device)
}

const discard = 9 // RFC 863: to a port that answers nothing
