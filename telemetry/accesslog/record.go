package accesslog

import (
	"encoding/binary"
	"net/netip"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// Protocol is what a record is of.
type Protocol uint8

const (
	HTTP Protocol = iota // an exchange
	TCP                  // a tunnel
	TLS                  // a tunnel of TLS that was not ended
	UDP                  // a flow
	FTP                  // a session of FTP
)

func (p Protocol) String() string { return [...]string{"http", "tcp", "tls", "udp", "ftp"}[p] }

// Record is an ended exchange, tunnel or flow: of the latter two Route is the listener, and Host the server name of TLS. Texts are borrowed until Append returns.
type Record struct {
	At       int64 // microseconds of the Unix epoch, when the request's first byte came
	Client   netip.Addr
	Peer     netip.Addr     // the connection's other end, where a trusted proxy named the client
	Dest     netip.AddrPort // where a captured client wanted to go
	PeerPort uint16         // of Peer; 0: not known
	OwnPort  uint16         // from which weir was connected to the server; 0: not known, as where no server was asked
	Status   uint16
	Version  uint8 // of HTTP: 10, 11, 20, 30
	Protocol Protocol
	TLS      bool
	Reused   bool // the server connection had served before
	Attempts uint8
	Reason   reason.Reason

	Sent     int64 // bytes to the client, head included
	Received int64 // bytes from the client, head included

	// Microseconds from At; -1 where the stage was not reached.
	Matched, Connected, Answered int32
	Ended                        int64 // tunnels last for days

	Method, Host, Target, Route, Pool, Server, Referer, UserAgent, Detail, ClientCert, JA4 []byte
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
	dst = b.AppendUint16(b.AppendUint16(dst, r.PeerPort), r.OwnPort)
	dst = b.AppendUint16(dst, r.Status)
	flags := uint8(0)
	if r.TLS {
		flags |= 1
	}
	if r.Reused {
		flags |= 2
	}
	dst = append(dst, r.Version, uint8(r.Protocol), flags, r.Attempts, uint8(r.Reason))
	dst = b.AppendUint64(dst, uint64(r.Sent))
	dst = b.AppendUint64(dst, uint64(r.Received))
	for _, v := range [...]int32{r.Matched, r.Connected, r.Answered} {
		dst = b.AppendUint32(dst, uint32(v))
	}
	dst = b.AppendUint64(dst, uint64(r.Ended))
	for _, t := range [...][]byte{r.Method, r.Host, r.Target, r.Route, r.Pool, r.Server, r.Referer, r.UserAgent, r.Detail, r.ClientCert, r.JA4} {
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
	r.PeerPort, r.OwnPort, b = le.Uint16(b), le.Uint16(b[2:]), b[4:]
	r.Status, b = le.Uint16(b), b[2:]
	r.Version, r.Protocol = b[0], Protocol(b[1])
	b = b[2:]
	r.TLS, r.Reused, r.Attempts, r.Reason = b[0]&1 != 0, b[0]&2 != 0, b[1], reason.Reason(b[2])
	b = b[3:]
	r.Sent, r.Received = int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	b = b[16:]
	for _, v := range [...]*int32{&r.Matched, &r.Connected, &r.Answered} {
		*v, b = int32(le.Uint32(b)), b[4:]
	}
	r.Ended, b = int64(le.Uint64(b)), b[8:]
	for _, t := range [...]*[]byte{&r.Method, &r.Host, &r.Target, &r.Route, &r.Pool, &r.Server, &r.Referer, &r.UserAgent, &r.Detail, &r.ClientCert, &r.JA4} {
		n := int(le.Uint16(b))
		*t, b = b[2:2+n], b[2+n:]
	}
}

func takeAddr(b []byte) (netip.Addr, []byte) {
	n := int(b[0])
	a, _ := netip.AddrFromSlice(b[1 : 1+n])
	return a, b[1+n:]
}
