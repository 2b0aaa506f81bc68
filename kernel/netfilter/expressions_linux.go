package netfilter

import (
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// where is a point in a capture's combinations.
type where struct {
	port     PortRange
	device   string
	from, to netip.Prefix
}

// each calls do for every combination that the capture takes.
func (c *Capture) each(do func(where)) {
	for _, port := range orZero(c.Ports) {
		for _, device := range orZero(c.Interfaces) {
			for _, from := range orZero(c.From) {
				for _, to := range orZero(c.To) {
					do(where{port, device, from, to})
				}
			}
		}
	}
}

func orZero[T any](list []T) []T {
	if len(list) == 0 {
		return make([]T, 1)
	}
	return list
}

// family is the one that the networks are of; 0: both.
func (w *where) family() byte {
	for _, p := range []netip.Prefix{w.from, w.to} {
		switch {
		case !p.IsValid():
		case p.Addr().Is4():
			return unix.NFPROTO_IPV4
		default:
			return unix.NFPROTO_IPV6
		}
	}
	return 0
}

// match is what a packet must be.
func (w *where) match(protocol, family byte) (list []expr.Any) {
	list = append(list, metaIs(expr.MetaKeyL4PROTO, []byte{protocol})...)
	if family != 0 {
		list = append(list, metaIs(expr.MetaKeyNFPROTO, []byte{family})...)
	}
	if w.device != "" {
		name := make([]byte, unix.IFNAMSIZ)
		copy(name, w.device)
		list = append(list, metaIs(expr.MetaKeyIIFNAME, name)...)
	}
	if w.from.IsValid() {
		list = append(list, addressIn(w.from, 12, 8)...)
	}
	if w.to.IsValid() {
		list = append(list, addressIn(w.to, 16, 24)...)
	}
	if w.port != (PortRange{}) {
		list = append(list,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: binaryutil.BigEndian.PutUint16(w.port.First)},
			&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: binaryutil.BigEndian.PutUint16(w.port.Last)})
	}
	return list
}

func metaIs(key expr.MetaKey, value []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}}
}

// addressIn compares an address in the network header, which stands at another place in each family.
func addressIn(p netip.Prefix, offset4, offset6 uint32) []expr.Any {
	p = p.Masked()
	address := p.Addr().AsSlice()
	size, offset := uint32(len(address)), offset6
	if size == 4 {
		offset = offset4
	}
	mask := make([]byte, size)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: address},
	}
}

func setMark(mark uint32) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.NativeEndian.PutUint32(mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}
}

func toPort(port uint16) *expr.Immediate {
	return &expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)}
}
