package transport

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/weir-proxy/weir/engine"
)

// An own address has some 28,000 ports for one server. When they are in use the system looks at each of them before it says so, which costs
// milliseconds of the loop: for portsRest the address is then left alone.
const portsRest = 100 // ms

// ErrPorts says that no own address has a free port to the server.
var ErrPorts = errors.New("no free port on any source address")

// dial connects from the next own address that has a free port.
func (s *Conns) dial(address engine.Address, config *Config, o engine.DialOptions) (c engine.Conn, err error) {
	if address.Path != "" {
		return s.loop.Dial(address, o)
	}
	err = s.fromSources(config, address.IP.Addr(), func(source netip.Addr) (err error) {
		o.Source = source
		c, err = s.loop.Dial(address, o)
		return err
	})
	return c, err
}

// fromSources has connect try the own addresses from which to can be reached, in turn, until one has a free port; the zero one where the system chooses.
func (s *Conns) fromSources(config *Config, to netip.Addr, connect func(source netip.Addr) error) error {
	sources := max(1, len(config.Sources))
	if len(s.spent) != sources {
		s.spent = make([]int64, sources)
	}
	for range sources {
		i := s.turn % sources
		s.turn++
		if s.spent[i] > s.loop.Now() || !s.takes(config, i, to) {
			continue
		}
		var source netip.Addr
		if len(config.Sources) > 0 {
			source = config.Sources[i]
		}
		err := connect(source)
		if !errors.Is(err, syscall.EADDRNOTAVAIL) && !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		s.NoPorts++
		s.spent[i] = s.loop.Now() + portsRest
	}
	return ErrPorts
}

// takes reports whether the i-th source can reach an address of that family.
func (s *Conns) takes(config *Config, i int, to netip.Addr) bool {
	return len(config.Sources) == 0 || config.Sources[i].Unmap().Is4() == to.Unmap().Is4()
}
