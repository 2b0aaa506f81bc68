package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

const (
	v2Fixed   = 16 // signature, version and command, family, length
	local     = 0x20
	proxied   = 0x21
	inet      = 0x10
	inet6     = 0x20
	unix      = 0x30
	stream    = 0x01
	datagram  = 0x02
	inetSize  = 12
	inet6Size = 36
	unixSize  = 216
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func parseV2(b []byte) (h Header, n int, err error) {
	if len(b) < v2Fixed {
		return h, 0, nil
	}
	n = v2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case b[12] != local && b[12] != proxied:
		// "The receiver must drop connections presenting unexpected values here."
		return h, 0, Fault("unknown version or command")
	case n > SizeMax:
		return h, 0, Fault("a header of version 2 is too long")
	case len(b) < n:
		return h, 0, nil
	}
	h.Version, h.IsLocal = 2, b[12] == local
	size, ok := h.addresses(b[13], b[v2Fixed:n])
	if !ok {
		return h, 0, Fault("malformed addresses in version 2")
	}
	h.IsDatagram = b[13]&0xf == datagram
	h.TLVs = TLVs(b[v2Fixed+size : n])
	if !h.TLVs.isWhole() {
		return h, 0, Fault("malformed TLV")
	}
	if sum := h.TLVs.Of(TypeCRC32C); sum != nil && !isSum(b[:n], sum) {
		// "the receiver MUST abort" where the checksum does not match.
		return h, 0, Fault("wrong checksum")
	}
	return h, n, nil
}

// addresses reads the address block and returns its size.
func (h *Header) addresses(family byte, b []byte) (size int, ok bool) {
	switch family {
	case inet | stream, inet | datagram:
		if len(b) < inetSize {
			return 0, false
		}
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[0:])), binary.BigEndian.Uint16(b[8:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[10:]))
		size = inetSize
	case inet6 | stream, inet6 | datagram:
		if len(b) < inet6Size {
			return 0, false
		}
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[0:])).Unmap(), binary.BigEndian.Uint16(b[32:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[16:])).Unmap(), binary.BigEndian.Uint16(b[34:]))
		size = inet6Size
	case unix | stream, unix | datagram:
		if len(b) < unixSize {
			return 0, false
		}
		h.IsLocal, size = true, unixSize
	case 0: // "UNSPEC": the receiver uses the real addresses; TLVs may follow
		h.IsLocal = true
	default:
		// "other values are unspecified and must not be emitted in version 2 of this protocol and must be rejected as invalid by receivers."
		return 0, false
	}
	if h.IsLocal {
		h.Source, h.Destination = netip.AddrPort{}, netip.AddrPort{}
	}
	return size, true
}

// isSum reports whether sum, a part of b, is the checksum of b with sum as zeros.
func isSum(b, sum []byte) bool {
	if len(sum) != 4 {
		return false
	}
	at := cap(b) - cap(sum)
	crc := crc32.Update(0, castagnoli, b[:at])
	crc = crc32.Update(crc, castagnoli, []byte{0, 0, 0, 0})
	return crc32.Update(crc, castagnoli, b[at+4:]) == binary.BigEndian.Uint32(sum)
}

// AppendV2 appends a header of version 2, with the TLVs of h but for checksum and padding, and a checksum of its own.
func AppendV2(dst []byte, h *Header) []byte {
	begin := len(dst)
	from, to := h.Source.Addr().Unmap().WithZone(""), h.Destination.Addr().Unmap().WithZone("")
	transport := byte(stream)
	if h.IsDatagram {
		transport = datagram
	}
	dst = append(dst, signature...)
	switch {
	case h.IsLocal || !from.IsValid() || !to.IsValid():
		dst = append(dst, local, 0, 0, 0)
	case from.Is4() && to.Is4():
		dst = append(dst, proxied, inet|transport, 0, 0)
		dst = append(dst, from.AsSlice()...)
		dst = append(dst, to.AsSlice()...)
		dst = appendPorts(dst, h)
	default:
		dst = append(dst, proxied, inet6|transport, 0, 0)
		source, destination := from.As16(), to.As16()
		dst = append(dst, source[:]...)
		dst = append(dst, destination[:]...)
		dst = appendPorts(dst, h)
	}
	for kind, value := range h.TLVs.All() {
		if kind != TypeCRC32C && kind != TypeNoop && len(dst)-begin+3+len(value)+7 <= SizeMax {
			dst = AppendTLV(dst, kind, value)
		}
	}
	dst = AppendTLV(dst, TypeCRC32C, []byte{0, 0, 0, 0})
	binary.BigEndian.PutUint16(dst[begin+14:], uint16(len(dst)-begin-v2Fixed))
	binary.BigEndian.PutUint32(dst[len(dst)-4:], crc32.Checksum(dst[begin:], castagnoli))
	return dst
}

func appendPorts(dst []byte, h *Header) []byte {
	dst = binary.BigEndian.AppendUint16(dst, h.Source.Port())
	return binary.BigEndian.AppendUint16(dst, h.Destination.Port())
}
