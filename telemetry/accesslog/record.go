package accesslog

import (
	"encoding/binary"
	"net/netip"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// Record is an ended exchange. Texts are borrowed until Append returns.
type Record struct {
	At       int64 // microseconds of the Unix epoch, when the request's first byte came
	Client   netip.Addr
	Peer     netip.Addr     // the connection's other end, where a trusted proxy named the client
	Dest     netip.AddrPort // where a captured client wanted to go
	Status   uint16
	Version  uint8 // of HTTP: 10, 11, 20, 30
	TLS      bool
	Reused   bool // the server connection had served before
	Attempts uint8
	Reason   reason.Reason

	Sent     int64 // bytes to the client, head included
	Received int64 // bytes from the client, head included

	// Microseconds from At; -1 where the stage was not reached.
	Matched, Connected, Answered, Ended int32

	Method, Host, Target, Route, Pool, Server, Referer, UserAgent, Detail []byte
}

// textMax bounds each text of a record, so that one request cannot fill the ring.
const textMax = 2048

// Append appends the record in the ring's form to dst.
func (r *Record) Append(dst []byte) []byte {
	b := binary.LittleEndian
	dst = b.AppendUint64(dst, uint64(r.At))
	dst = appendAddr(dst, r.Client)
	dst = appendAddr(dst, r.Peer)
	dst = b.AppendUint16(appendAddr(dst, r.Dest.Addr()), r.Dest.Port())
	dst = b.AppendUint16(dst, r.Status)
	flags := uint8(0)
	if r.TLS {
		flags |= 1
	}
	if r.Reused {
		flags |= 2
	}
	dst = append(dst, r.Version, flags, r.Attempts, uint8(r.Reason))
	dst = b.AppendUint64(dst, uint64(r.Sent))
	dst = b.AppendUint64(dst, uint64(r.Received))
	for _, v := range [...]int32{r.Matched, r.Connected, r.Answered, r.Ended} {
		dst = b.AppendUint32(dst, uint32(v))
	}
	for _, t := range [...][]byte{r.Method, r.Host, r.Target, r.Route, r.Pool, r.Server, r.Referer, r.UserAgent, r.Detail} {
		if len(t) > textMax {
			t = t[:textMax]
		}
		dst = b.AppendUint16(dst, uint16(len(t)))
		dst = append(dst, t...)
	}
	return dst
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(dst, 0)
	}
	if a.Is4() {
		v := a.As4()
		return append(append(dst, 4), v[:]...)
	}
	v := a.As16()
	return append(append(dst, 16), v[:]...)
}

// parse reads what Append wrote; r borrows b.
func (r *Record) parse(b []byte) {
	le := binary.LittleEndian
	r.At = int64(le.Uint64(b))
	b = b[8:]
	r.Client, b = takeAddr(b)
	r.Peer, b = takeAddr(b)
	var dest netip.Addr
	dest, b = takeAddr(b)
	r.Dest, b = netip.AddrPortFrom(dest, le.Uint16(b)), b[2:]
	r.Status, b = le.Uint16(b), b[2:]
	r.Version, r.TLS, r.Reused, r.Attempts, r.Reason = b[0], b[1]&1 != 0, b[1]&2 != 0, b[2], reason.Reason(b[3])
	b = b[4:]
	r.Sent, r.Received = int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	b = b[16:]
	for _, v := range [...]*int32{&r.Matched, &r.Connected, &r.Answered, &r.Ended} {
		*v, b = int32(le.Uint32(b)), b[4:]
	}
	for _, t := range [...]*[]byte{&r.Method, &r.Host, &r.Target, &r.Route, &r.Pool, &r.Server, &r.Referer, &r.UserAgent, &r.Detail} {
		n := int(le.Uint16(b))
		*t, b = b[2:2+n], b[2+n:]
	}
}

func takeAddr(b []byte) (netip.Addr, []byte) {
	n := int(b[0])
	a, _ := netip.AddrFromSlice(b[1 : 1+n])
	return a, b[1+n:]
}
