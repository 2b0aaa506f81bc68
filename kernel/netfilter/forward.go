package netfilter

import (
	"hash/fnv"
	"math"
	"net/netip"
	"strconv"
)

// Service is traffic that the kernel itself sends on: connections to an address go to one of several servers. Immutable.
type Service struct {
	Name    string     // of the listener and its address; unique
	UDP     bool       // else TCP
	Address netip.Addr // an unspecified one takes every address of this machine
	Ports   PortRange
	Hash    bool     // a client stays with its server, as long as that is there; else by chance, by weight
	ByHost  bool     // with Hash: servers are told from each other by their address alone, so that services whose servers differ in ports choose the same ones
	Hide    bool     // servers see this machine's address, and need not have it for their gateway (source NAT)
	Direct  string   // servers answer clients themselves: frames are sent on by this interface, with other hardware addresses; "": destination NAT
	Keep    bool     // it goes on when this process ends
	Access  Access   // the clients whose connections and datagrams are taken
	Servers []Server // in rotation, and those that keep the flows that they have; none: nothing is forwarded
}

// Server is one of a service's.
type Server struct {
	Name     string
	Address  netip.AddrPort // port 0: that of the service. With Direct it always is
	Weight   int            // 0 to 65535; 0: it gets nothing new, and with Direct keeps the flows that it has
	Hardware [6]byte        // with Direct: its address on the network
}

// Way is what is counted by: a server as it is reached. Device is that of direct return, "" for NAT.
type Way struct {
	UDP    bool
	Device string
	// With Direct, the service's name: servers are counted for each of their services. Destination NAT counts a server once, for all services.
	Service string
	Server  netip.AddrPort // with Direct, and for servers without a port, the port is 0
}

// WayTo is the way from the service to one of its servers.
func (s *Service) WayTo(server *Server) Way {
	w := Way{UDP: s.UDP, Device: s.Direct, Server: server.Address}
	if s.Direct != "" {
		w.Service = s.Name
		w.Server = netip.AddrPortFrom(w.Server.Addr(), 0)
	}
	return w
}

// Counted is what the kernel has counted of a server.
type Counted struct {
	Connections    uint64 // new ones, with NAT
	Sent, Received uint64 // bytes to the server and from it, packets' heads included; of direct return only what is sent
}

// Plus adds two counts.
func (c Counted) Plus(o Counted) Counted {
	return Counted{c.Connections + o.Connections, c.Sent + o.Sent, c.Received + o.Received}
}

// Kept is a table that outlives its process.
type Kept struct {
	Table     string
	Kept      string   // the name under which OpenForwarding takes it over
	Config    string   // the configuration's file
	Device    string   // of direct return; "" for NAT
	Addresses []Listen // that it takes traffic for
	Used      []int    // the processes of weir that run with it; none: nobody takes care of it
}

// Expected is a table that a running weir should have.
type Expected struct {
	Kept      string // the name under which it is kept; "": it goes with the process PID
	PID       int
	Device    string // of direct return; "" for NAT
	Addresses []Listen
}

// Listen is an address with ports. An unspecified IP is all of this machine's.
type Listen struct {
	UDP   bool
	IP    netip.Addr
	Ports PortRange
}

// Overlaps reports whether both take the same traffic.
func (l Listen) Overlaps(o Listen) bool {
	if l.UDP != o.UDP || l.Ports.Last < o.Ports.First || o.Ports.Last < l.Ports.First {
		return false
	}
	return l.IP == o.IP || l.IP.Is4() == o.IP.Is4() && (l.IP.IsUnspecified() || o.IP.IsUnspecified())
}

// String is the form that it has in messages.
func (l Listen) String() string {
	protocol := "tcp"
	if l.UDP {
		protocol = "udp"
	}
	text := netip.AddrPortFrom(l.IP, l.Ports.First).String()
	if l.Ports.Last != l.Ports.First {
		text += "-" + strconv.Itoa(int(l.Ports.Last))
	}
	return protocol + " " + text
}

// slots is how finely a hash is divided among the servers: a server that leaves takes only its own share along, spread over the others.
const slots = 256

// share is a part of a draw: the numbers from the last share's end to below this one go to a server.
type share struct {
	server int
	end    uint32
}

// shares divides what is drawn among the servers: with byHash the slots, else as many tickets as there are weights.
func (s *Service) shares() (list []share) {
	if !s.byHash() {
		end := uint32(0)
		for i := range s.Servers {
			if weight := s.Servers[i].Weight; weight > 0 {
				end += uint32(weight)
				list = append(list, share{i, end})
			}
		}
		return list
	}
	for slot, owner := range s.owners() {
		if n := len(list); n > 0 && list[n-1].server == owner {
			list[n-1].end++
		} else if owner >= 0 {
			list = append(list, share{owner, uint32(slot) + 1})
		}
	}
	return list
}

// byHash: each packet by itself is sent on directly, so that chance would spread those of a connection over the servers.
func (s *Service) byHash() bool { return s.Hash || s.Direct != "" }

// owners divides the slots by rendezvous hashing with weights: each slot goes to the server with the highest score for it; -1: to nobody.
func (s *Service) owners() (owner [slots]int) {
	seeds := make([]uint64, len(s.Servers))
	times := map[netip.Addr]int{}
	for i := range s.Servers {
		name := s.Servers[i].Name
		if s.ByHost {
			ip := s.Servers[i].Address.Addr()
			name = ip.String() + "#" + strconv.Itoa(times[ip])
			times[ip]++
		}
		h := fnv.New64a()
		h.Write([]byte(name))
		seeds[i] = h.Sum64()
	}
	for slot := range owner {
		best := math.Inf(-1)
		owner[slot] = -1
		for i := range s.Servers {
			if s.Servers[i].Weight <= 0 {
				continue
			}
			if score := score(seeds[i], slot, s.Servers[i].Weight); score > best {
				best, owner[slot] = score, i
			}
		}
	}
	return owner
}

// score is the weight divided by an exponentially distributed draw (Schindelhauer and Schomaker's logarithmic method).
func score(seed uint64, slot, weight int) float64 {
	x := seed + uint64(slot+1)*0x9e3779b97f4a7c15
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	u := (float64(x>>11) + 0.5) / (1 << 53)
	return -float64(weight) / math.Log(u)
}

// Connection is one that the kernel carries, as it goes over both sides of this machine.
type Connection struct {
	UDP            bool
	Client, Listen netip.AddrPort // as the client sends
	Server, Back   netip.AddrPort // as the server answers: Back is the client, or this machine where it hides clients
}
