package ftp

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/tls"
)

// Setup is how the sessions of a listener are served. Immutable but for the turn of its ports. It implements tunnel.Talker.
type Setup struct {
	Greeting string
	Users    map[string]*tunnel.Way // by name: weir greets, and the server is chosen then; none: the server is there first
	TLS      *tls.Terms             // for clients; nil: clear
	Required bool                   // with TLS: no command but AUTH comes before it
	Servers  map[*tunnel.Way]Secure // ways whose servers are spoken to by TLS
	Announce netip.Addr             // in replies to PASV; the zero value: the address that the client came to
	First    uint16                 // of the ports for data connections; 0: any
	Last     uint16
	Idle     time.Duration // a session without a command or a transfer
	Data     time.Duration // silence of a transfer

	turn atomic.Uint32
}

// Secure is how a server is spoken to by TLS.
type Secure struct {
	TLS      transport.TLS
	Implicit bool // from the first byte on, and not by AUTH
}

const (
	acceptWithin = 30 * time.Second // for the other end of a data connection
	repliesMost  = 64 << 10         // bytes of replies that no client gets: to what weir says itself, and lines that it leaves out of one
	replyWithin  = 60 * time.Second // for what a server says while it is connected
)

// transferHolds is how many descriptors a data connection takes: a port, and both ends.
const transferHolds = 3

// open listens for a data connection at an own address, or transparently at the client's, on the next free port. It claims the descriptors of the connection, which transfer.over gives back.
func (s *Setup) open(l *engine.Loop, at netip.Addr, transparent bool) (*engine.Doorway, error) {
	if !l.Claim(engine.ShareTunnels, transferHolds) {
		return nil, errors.New("no descriptors are left for data connections")
	}
	d, err := s.listen(l, at, transparent)
	if err != nil {
		l.Unclaim(engine.ShareTunnels, transferHolds)
	}
	return d, err
}

func (s *Setup) listen(l *engine.Loop, at netip.Addr, transparent bool) (*engine.Doorway, error) {
	if s.First == 0 {
		return l.OpenDoorway(netip.AddrPortFrom(at, 0), transparent)
	}
	count := uint32(s.Last-s.First) + 1
	var err error
	for range min(count, portsTried) {
		port := s.First + uint16(s.turn.Add(1)%count)
		var d *engine.Doorway
		if d, err = l.OpenDoorway(netip.AddrPortFrom(at, port), transparent); err == nil {
			return d, nil
		}
	}
	return nil, err
}

// portsTried bounds the search for a free port, each of which costs system calls.
const portsTried = 64
