package proxyproto

import (
	"bytes"
	"net/netip"
)

// Header is what a proxy says of a connection.
type Header struct {
	Version     int  // 1 or 2
	IsLocal     bool // the connection is the proxy's own, or it does not know whose: the connection's real ends count
	Source      netip.AddrPort
	Destination netip.AddrPort
	TLVs        TLVs // version 2; borrowed
	IsDatagram  bool // version 2: it stands in front of a datagram, and not of a byte stream
}

// Fault is what is wrong with a header.
type Fault string

func (f Fault) Error() string { return "proxy protocol: " + string(f) }

// SizeMax bounds a header. Version 1 has 107 bytes at most; of version 2 this leaves 3.8 KiB for TLVs, where the known ones need a tenth.
const SizeMax = 4 << 10

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// Parse reads the header at the beginning of b and returns its length; 0 without an error says that more bytes are needed.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case len(b) == 0:
		return h, 0, nil
	case bytes.HasPrefix(b, []byte(signature)) || bytes.HasPrefix([]byte(signature), b):
		return parseV2(b)
	case bytes.HasPrefix(b, []byte("PROXY ")) || bytes.HasPrefix([]byte("PROXY "), b):
		return parseV1(b)
	}
	return h, 0, Fault("there is no header")
}
