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
func (s *Conns) dial(address engine.Address, config *Config, o engine.DialOptions) (engine.Conn, error) {
	sources := max(1, len(config.Sources))
	if address.Path != "" {
		return s.loop.Dial(address, o)
	}
	if len(s.spent) != sources {
		s.spent = make([]int64, sources)
	}
	for range sources {
		i := s.turn % sources
		s.turn++
		if s.spent[i] > s.loop.Now() || !s.takes(config, i, address.IP.Addr()) {
			continue
		}
		if len(config.Sources) > 0 {
			o.Source = config.Sources[i]
		}
		c, err := s.loop.Dial(address, o)
		if !errors.Is(err, syscall.EADDRNOTAVAIL) && !errors.Is(err, syscall.EADDRINUSE) {
			return c, err
		}
		s.NoPorts++
		s.spent[i] = s.loop.Now() + portsRest
	}
	return nil, ErrPorts
}

// takes reports whether the i-th source can reach an address of that family.
func (s *Conns) takes(config *Config, i int, to netip.Addr) bool {
	return len(config.Sources) == 0 || config.Sources[i].Unmap().Is4() == to.Unmap().Is4()
}
