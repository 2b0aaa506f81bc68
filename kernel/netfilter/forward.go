package netfilter

import (
	"hash/fnv"
	"math"
	"net/netip"
)

// Service is traffic that the kernel itself sends on: connections to an address go to one of several servers. Immutable.
type Service struct {
	Name    string         // of the listener; unique
	UDP     bool           // else TCP
	Address netip.AddrPort // an unspecified IP takes every address of this machine's
	Hash    bool           // a client stays with its server, as long as that is there; else by chance, by weight
	Hide    bool           // servers see this machine's address, and need not have it for their gateway (source NAT)
	Direct  string         // servers answer clients themselves: frames are sent on by this interface, unchanged but for their hardware address; "": destination NAT
	Servers []Server       // in rotation; none: nothing is sent on
}

// Server is one of a service's.
type Server struct {
	Name     string
	Address  netip.AddrPort // with Direct the port is the service's
	Weight   int            // 1 to 1000
	Hardware [6]byte        // with Direct: its address on the network
}

// Counted is what the kernel has counted of a service's server.
type Counted struct {
	Connections    uint64 // new ones, with NAT
	Sent, Received uint64 // bytes to the server and from it, packets' heads included; of direct return only what is sent
}

// Plus adds two counts.
func (c Counted) Plus(o Counted) Counted {
	return Counted{c.Connections + o.Connections, c.Sent + o.Sent, c.Received + o.Received}
}

// What the comment of a rule that counts begins with.
const (
	counts         = "connections"
	countsSent     = "sent"
	countsReceived = "received"
)

// Key is under which name Count has a server of a service.
func Key(service, server string) string { return service + " " + server }

// slots is how finely a hash is divided among the servers: a server that leaves takes only its own share along, spread over the others.
const slots = 512

// shares divides the slots by rendezvous hashing with weights: each slot goes to the server with the highest score for it.
func shares(servers []Server) (owner [slots]int) {
	for slot := range owner {
		best := math.Inf(-1)
		for i := range servers {
			if score := servers[i].score(slot); score > best {
				best, owner[slot] = score, i
			}
		}
	}
	return owner
}

// score is the weight divided by an exponentially distributed draw (Schindelhauer and Schomaker's logarithmic method).
func (s *Server) score(slot int) float64 {
	h := fnv.New64a()
	h.Write([]byte(s.Name))
	h.Write([]byte{byte(slot), byte(slot >> 8)})
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	u := (float64(x>>11) + 0.5) / (1 << 53)
	return -float64(s.Weight) / math.Log(u)
}

// tickets is what a draw is among, with the first and the number of each server's.
func tickets(servers []Server) (all uint32) {
	for i := range servers {
		all += uint32(servers[i].Weight)
	}
	return all
}
