package netfilter

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// natPriority are those of nft: dstnat, srcnat and filter.
const destinationPriority, sourcePriority, filterPriority = -100, 100, 0

// wildcardPriority has services of all addresses looked for after those of one address, which may be in another table.
const wildcardPriority = destinationPriority + 1

// layNAT rewrites destinations of connections that come in, and of this machine's own.
func layNAT(services []Service, before *layout, ends bool) *layout {
	l := newLayout()
	byAddress, byPort := []rule{tagged("tunnels", keepTunnels())}, []rule{tagged("tunnels", keepTunnels())}
	var hide, count []rule
	for _, f := range families() {
		l.add(f.servicesByAddress())
		l.add(f.servicesByPort())
		servers := map[string]element{} // of all three
		for _, name := range []string{connectionSet, sentSet, receivedSet} {
			l.add(set{name: name + f.suffix, keyType: f.endpointType(), fields: f.endpointFields(), counts: true})
			l.sets[name+f.suffix].elements = servers
		}
		l.add(set{name: hideSet + f.suffix, keyType: f.endpointType(), fields: f.endpointFields()})
		for _, name := range []string{hidingSet, exposingSet} {
			l.add(set{name: name + f.suffix, keyType: f.endpointType(), fields: f.endpointFields(), intervals: true})
		}
		l.add(set{name: hidingPortsSet + f.suffix, keyType: typesOf(typeProtocol, typePort), fields: []uint32{1, 2}, intervals: true})
		byAddress, byPort = append(byAddress, f.findByAddress()), append(byPort, f.findByPort())
		toServer, fromServer := f.endpointKey(f.destination, destinationPort), f.endpointKey(f.source, sourcePort)
		hide = append(hide, tagged(connectionSet+f.suffix, f.rewritten(), toServer, in(connectionSet+f.suffix)),
			tagged(hidingSet+f.suffix, f.rewritten(), toServer, in(hideSet+f.suffix), f.originalKey(), in(hidingSet+f.suffix), []expr.Any{&expr.Masq{}}),
			tagged(exposingSet+f.suffix, f.rewritten(), toServer, in(hideSet+f.suffix), f.originalKey(), in(exposingSet+f.suffix), []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}),
			tagged(hidingPortsSet+f.suffix, f.rewritten(), toServer, in(hideSet+f.suffix), originalPortKey(), in(hidingPortsSet+f.suffix), []expr.Any{&expr.Masq{}}))
		done := []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
		count = append(count, tagged(sentSet+f.suffix, f.direction(original), rewritten(), toServer, in(sentSet+f.suffix), done),
			tagged(receivedSet+f.suffix, f.direction(reply), rewritten(), fromServer, in(receivedSet+f.suffix), done))
	}
	l.base("in", hook{unix.NF_INET_PRE_ROUTING, destinationPriority, "nat", ""}, byAddress...)
	l.base("in-all", hook{unix.NF_INET_PRE_ROUTING, wildcardPriority, "nat", ""}, byPort...)
	l.base("own", hook{unix.NF_INET_LOCAL_OUT, destinationPriority, "nat", ""}, byAddress[1:]...)
	l.base("own-all", hook{unix.NF_INET_LOCAL_OUT, wildcardPriority, "nat", ""}, byPort[1:]...)
	l.base("out", hook{unix.NF_INET_POST_ROUTING, sourcePriority, "nat", ""}, hide...)
	l.base("count", hook{unix.NF_INET_FORWARD, filterPriority, "filter", ""}, count...)
	if ends {
		l.endNAT()
	}
	for i := range services {
		l.natService(&services[i], before)
	}
	for _, f := range families() {
		if len(l.sets[hidingPortsSet+f.suffix].elements) == 0 {
			clear(l.sets[exposingSet+f.suffix].elements) // they are exceptions from services of all addresses
		}
	}
	return l
}

// Sets of servers, each for both families. All but the last count.
const connectionSet, sentSet, receivedSet, hideSet = "connections", "sent", "received", "hidden"

// Sets of services: those of one address that hide clients from their servers, those that do not, and those of all addresses that do. Their names come before those of the maps in
// which services are found: the kernel begins with them in this order, and a service that is found is hidden by then.
const hidingSet, exposingSet, hidingPortsSet = "by-hiding", "by-exposing", "by-hiding-ports"

// in breaks the rule off for servers that are not in the set, and counts those that are, if it counts.
func in(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: register, SetName: set}}
}

// keepTunnels leaves connections alone that end at a socket of this machine: those that weir carried itself before the pool became one of the kernel's. Connection tracking may
// not know them, and takes their next packet for a new connection.
func keepTunnels() []expr.Any {
	const flags, synchronize = 0x17, 0x02 // FIN, SYN, RST and ACK
	list := metaIs(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP})
	return append(list,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{flags}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{synchronize}},
		&expr.Socket{Key: expr.SocketKeyWildcard, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}},
		&expr.Verdict{Kind: expr.VerdictAccept})
}

func (f *family) findByAddress() rule {
	name := f.servicesByAddress().name
	return tagged(name, metaIs(expr.MetaKeyNFPROTO, []byte{f.number}), find(f.endpointKey(f.destination, destinationPort), name))
}

// findByPort is for services on all addresses of this machine.
func (f *family) findByPort() rule {
	name := f.servicesByPort().name
	return tagged(name, metaIs(expr.MetaKeyNFPROTO, []byte{f.number}), []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(unix.RTN_LOCAL)},
	}, find([]expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Payload{DestRegister: register + 1, Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2},
	}, name))
}

// rewritten is a packet of the family, of a connection whose destination was rewritten.
func (f *family) rewritten() []expr.Any {
	return append(metaIs(expr.MetaKeyNFPROTO, []byte{f.number}), rewritten()...)
}

// rewritten is a packet of a connection whose destination was rewritten.
func rewritten() []expr.Any {
	const destinationRewritten = 1 << 5 // IPS_DST_NAT
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(destinationRewritten), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// The directions of a tracked connection.
const original, reply = 0, 1

// direction is a packet of the family that travels in the given direction of its connection. Each packet that is forwarded runs the rules that begin with it, so that it comes
// first: a packet looks its server up once, in the set of its direction.
func (f *family) direction(which byte) []expr.Any {
	return append(metaIs(expr.MetaKeyNFPROTO, []byte{f.number}), &expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{which}})
}

// originalKey loads where a connection's first packet went to, as services are found by.
func (f *family) originalKey() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&originalDestination{register: register + 1, is4: f.number == unix.NFPROTO_IPV4},
		&expr.Ct{Key: expr.CtKeyPROTODST, Register: register + 1 + f.size/4},
	}
}

func originalPortKey() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, &expr.Ct{Key: expr.CtKeyPROTODST, Register: register + 1}}
}

func (l *layout) natService(s *Service, before *layout) {
	f := familyOf(s.Address)
	const to = register + 8
	l.service(s, before, func(p *part) {
		var list []expr.Any
		p.draw, list = s.drawing(typesOf(f.addressType, typePort), f.size+4, to, func(server *Server) string {
			return endpoint(0, server.Address.Addr(), server.Address.Port())[4:]
		})
		if p.draw == nil && !s.Address.IsUnspecified() {
			p.laid = &laidChain{nil, []rule{f.keepDestination(s)}}
		}
		if p.draw == nil {
			return
		}
		list = append(append(metaIs(expr.MetaKeyL4PROTO, []byte{s.protocol()}), list...),
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.number), RegAddrMin: to, RegProtoMin: to + f.size/4, Specified: true})
		p.laid = &laidChain{nil, []rule{tagged(fmt.Sprint(p.draw.name, s.protocol(), s.Hash), list)}}
	})
	switch isAll := s.Address.IsUnspecified(); {
	case isAll && s.Hide:
		l.put(hidingPortsSet+f.suffix, s.key())
	case s.Hide:
		l.put(hidingSet+f.suffix, s.key())
	case !isAll:
		l.put(exposingSet+f.suffix, s.key())
	}
	for i := range s.Servers {
		e := element{key: endpoint(s.protocol(), s.Servers[i].Address.Addr(), s.Servers[i].Address.Port())}
		l.put(connectionSet+f.suffix, e)
		if s.Hide {
			l.put(hideSet+f.suffix, e)
		}
	}
}

// keepDestination settles that the destination stays as it is, so that a service without a server does not go to that of all addresses.
func (f *family) keepDestination(s *Service) rule {
	return tagged(fmt.Sprint("nobody", s.protocol()), metaIs(expr.MetaKeyL4PROTO, []byte{s.protocol()}), []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: f.destination, Len: f.size},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.number), RegAddrMin: register}})
}

// countNAT reads what the kernel has counted.
func (t *forwardTable) countNAT(all map[Way]Counted) error {
	for _, f := range families() {
		for _, set := range []string{connectionSet, sentSet, receivedSet} {
			list, err := t.socket.listElements(t.family, t.name, set+f.suffix)
			if err != nil {
				return err
			}
			for i := range list {
				e := &list[i]
				l := listenOf(e, netip.Addr{}, 4+int(f.size))
				ip, _ := netip.AddrFromSlice([]byte(e.key[4 : 4+f.size]))
				w := Way{UDP: l.UDP, Server: netip.AddrPortFrom(ip, l.Ports.First)}
				n := all[w]
				switch set {
				case connectionSet:
					n.Connections += e.counted.Packets
				case sentSet:
					n.Sent += e.counted.Bytes
				case receivedSet:
					n.Received += e.counted.Bytes
				}
				all[w] = n
			}
		}
	}
	return nil
}

// Count is what the kernel has counted so far. A server that leaves and comes back goes on counting.
func (f *Forwarding) Count() (map[Way]Counted, error) {
	all := map[Way]Counted{}
	for w, n := range f.gone.servers {
		all[w] = n
	}
	for _, t := range f.tables {
		if t.wanted == nil {
			continue
		}
		if err := t.count(all); err != nil {
			return nil, explain(err)
		}
	}
	return all, nil
}

func (t *forwardTable) count(all map[Way]Counted) error {
	if t.device != "" {
		return t.countDirect(all)
	}
	return t.countNAT(all)
}
