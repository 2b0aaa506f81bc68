package filter

import "net/netip"

// Facts are what templates and filters may know of an exchange. All bytes are borrowed for the call.
type Facts struct {
	Scheme   string // http or https
	Method   []byte
	Host     []byte // in lower case, without port
	Port     []byte // of the Host, as sent; empty if none
	Path     []byte // in normal form
	Query    []byte // without '?'
	HasQuery bool
	Client   netip.Addr
	TLS      *Handshake               // nil: in clear text
	Local    func() netip.AddrPort    // where the client wanted to go: weir's address, or the one it was captured from
	Field    func(name string) []byte // a request field, nil if absent
	Groups   [][]byte                 // what "*" or "$1" … "$9" stand for: Groups[0] is "*", or "$0"
}
