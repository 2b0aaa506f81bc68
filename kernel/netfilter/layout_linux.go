package netfilter

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// layout is how a table should be. The chains at a hook and the maps that they look services up in stay; each service has a chain of its own, whose rule reads a map that is named
// after what is in it. So a change of one server writes one map and one rule, whatever else there is.
type layout struct {
	chains map[string]*laidChain
	sets   map[string]*laidSet
	parts  map[string]*part // what each service comes to, by name
	drops  bool             // connections that are refused get no reset, which the kernel cannot send from here
}

// part is what a service comes to. Immutable: the next layout takes it over if the service has not changed.
type part struct {
	service Service
	chain   string
	laid    *laidChain
	at      element  // leads to the chain
	draw    *laidSet // nil: nobody gets anything new
	access  *laidSet // the clients that may use the service; nil: everybody may
}

type laidChain struct {
	hook  *hook
	rules []rule
}

type rule struct {
	tag  string // tells rules of one chain from others that could be there in their place
	list []expr.Any
}

func (c *laidChain) tags() string {
	var all strings.Builder
	for i := range c.rules {
		all.WriteString(c.rules[i].tag)
	}
	return all.String()
}

type laidSet struct {
	set
	isConstant bool // named after its elements, which never change
	list       []element
	sum        uint64             // of the list
	elements   map[string]element // of one that changes
}

// holds reports whether what the kernel has is what the set should hold; counters of others may be there besides.
func (s *laidSet) holds(have map[string]element) bool {
	if !s.counts && len(have) != len(s.elements) {
		return false
	}
	for key, e := range s.elements {
		if h, has := have[key]; !has || !h.isSame(e) {
			return false
		}
	}
	return true
}

func (l *layout) setNames() []string   { return slices.Sorted(maps.Keys(l.sets)) }
func (l *layout) chainNames() []string { return slices.Sorted(maps.Keys(l.chains)) }

func newLayout() *layout {
	return &layout{chains: map[string]*laidChain{}, sets: map[string]*laidSet{}, parts: map[string]*part{}}
}

func (l *layout) add(s set) { l.sets[s.name] = &laidSet{set: s, elements: map[string]element{}} }

func (l *layout) put(set string, e element) { l.sets[set].elements[e.identity()] = e }

// base adds a chain at a hook.
func (l *layout) base(name string, h hook, rules ...rule) { l.chains[name] = &laidChain{&h, rules} }

// version is part of the tags of all rules: one that writes other rules than another version of weir rewrites what that has kept.
const version = "2"

func tagged(tag string, lists ...[]expr.Any) rule {
	return rule{version + tag + ";", slices.Concat(lists...)}
}

// family is what differs between IPv4 and IPv6.
type family struct {
	suffix                    string
	number                    byte // NFPROTO
	frame                     []byte
	size, source, destination uint32 // of an address in the network header, and where they are
	addressType               uint32
}

func families() [2]family {
	return [2]family{
		{"4", unix.NFPROTO_IPV4, []byte{0x08, 0x00}, 4, 12, 16, typeAddress4},
		{"6", unix.NFPROTO_IPV6, []byte{0x86, 0xdd}, 16, 8, 24, typeAddress6},
	}
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return families()[0]
	}
	return families()[1]
}

func (s *Service) protocol() byte {
	if s.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

// The 32-bit registers, from the first; see place.
const register = unix.NFT_REG32_00

// endpointKey loads protocol, address and port of one end of a packet into the registers from the first on.
func (f *family) endpointKey(address, port uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Payload{DestRegister: register + 1, Base: expr.PayloadBaseNetworkHeader, Offset: address, Len: f.size},
		&expr.Payload{DestRegister: register + 1 + f.size/4, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2},
	}
}

// Where ports are in the transport header.
const sourcePort, destinationPort = 0, 2

func (f *family) endpointFields() []uint32 { return []uint32{1, f.size, 2} }
func (f *family) endpointType() uint32     { return typesOf(typeProtocol, f.addressType, typePort) }

// endpoint is such a key.
func endpoint(protocol byte, a netip.Addr, port uint16) string {
	key := append([]byte{protocol, 0, 0, 0}, a.AsSlice()...)
	return string(append(binary.BigEndian.AppendUint16(key, port), 0, 0))
}

// portKey is a key of protocol and port alone.
func portKey(protocol byte, port uint16) string {
	return string(append(binary.BigEndian.AppendUint16([]byte{protocol, 0, 0, 0}, port), 0, 0))
}

// servicesByAddress and servicesByPort are the maps in which services are found.
func (f *family) servicesByAddress() set {
	return set{name: "services" + f.suffix, keyType: f.endpointType(), fields: f.endpointFields(), dataType: typeVerdict, intervals: true}
}

func (f *family) servicesByPort() set {
	return set{name: "ports" + f.suffix, keyType: typesOf(typeProtocol, typePort), fields: []uint32{1, 2}, dataType: typeVerdict, intervals: true}
}

// listenSet is a map of services, with how its keys are read.
type listenSet struct {
	name   string
	listen func(*element) Listen
}

func listenSets() (list []listenSet) {
	for _, f := range families() {
		list = append(list, listenSet{f.servicesByAddress().name, func(e *element) Listen {
			ip, _ := netip.AddrFromSlice([]byte(e.key[4 : 4+f.size]))
			return listenOf(e, ip, 4+int(f.size))
		}}, listenSet{f.servicesByPort().name, func(e *element) Listen {
			any := netip.IPv6Unspecified()
			if f.number == unix.NFPROTO_IPV4 {
				any = netip.IPv4Unspecified()
			}
			return listenOf(e, any, 4)
		}})
	}
	return list
}

func listenOf(e *element, ip netip.Addr, port int) Listen {
	at := func(key string) uint16 { return binary.BigEndian.Uint16([]byte(key[port : port+2])) }
	l := Listen{UDP: e.key[0] == unix.IPPROTO_UDP, IP: ip, Ports: PortRange{at(e.key), at(e.key)}}
	if e.last != "" {
		l.Ports.Last = at(e.last)
	}
	return l
}

// find has a packet go to the chain of its service, where it has one.
func find(key []expr.Any, services string) []expr.Any {
	return append(key, &expr.Lookup{SourceRegister: register, DestRegister: 0, IsDestRegSet: true, SetName: services})
}

// service lays a service out, or takes over what it came to before. rules are those of its chain, from its draw.
func (l *layout) service(s *Service, before *layout, lay func(*part)) {
	var p *part
	if before != nil {
		p = before.parts[s.Name]
	}
	if p == nil || !p.service.isSame(s) {
		p = &part{service: *s, chain: "s" + hashOf(s.Name), at: s.key(), laid: &laidChain{}}
		p.at.chain = p.chain
		lay(p)
		p.restrict()
	}
	l.parts[s.Name] = p
	for _, set := range []*laidSet{p.draw, p.access} {
		if set != nil && l.sets[set.name] == nil {
			l.sets[set.name] = set
		}
	}
	l.chains[p.chain] = p.laid
	if p.access != nil {
		l.chains[p.service.refuseChain()] = p.service.refuse(l.drops)
	}
	f := familyOf(s.Address)
	services := f.servicesByAddress().name
	if s.Address.IsUnspecified() {
		services = f.servicesByPort().name
	}
	l.put(services, p.at)
}

func (s *Service) isSame(o *Service) bool {
	a, b := *s, *o
	a.Servers, b.Servers = nil, nil
	return reflect.DeepEqual(a, b) && slices.Equal(s.Servers, o.Servers)
}

// key is the element by which the service is found.
func (s *Service) key() element {
	if s.Address.IsUnspecified() {
		return element{key: portKey(s.protocol(), s.Ports.First), last: portKey(s.protocol(), s.Ports.Last)}
	}
	return element{key: endpoint(s.protocol(), s.Address, s.Ports.First), last: endpoint(s.protocol(), s.Address, s.Ports.Last)}
}

// drawing is the map of the shares, and how a packet gets its share out of it into register dest. Nil: there is nobody to draw. Slots of a hash are elements of their own, which the
// kernel finds faster and takes sooner than intervals; tickets are too many for that.
func (s *Service) drawing(dataType, dataLen, dest uint32, data func(*Server) string) (*laidSet, []expr.Any) {
	shares := s.shares()
	if len(shares) == 0 {
		return nil, nil
	}
	set := set{keyType: typeMark, fields: []uint32{4}, dataType: dataType, dataLen: dataLen, intervals: !s.byHash()}
	values := make([]string, len(s.Servers))
	for i := range s.Servers {
		values[i] = data(&s.Servers[i])
	}
	content := fnv.New64a()
	var elements []element
	from := uint32(0)
	for _, one := range shares {
		value := values[one.server]
		content.Write(binary.BigEndian.AppendUint32([]byte(value), one.end))
		if set.intervals {
			elements = append(elements, element{key: bigEndian(from), data: value}, element{key: bigEndian(one.end), ends: true})
		}
		for ; !set.intervals && from < one.end; from++ {
			elements = append(elements, element{key: string(native(from)), data: value})
		}
		from = one.end
	}
	set.name = fmt.Sprintf("m%016x", content.Sum64())
	list := s.number(from)
	if set.intervals {
		list = append(list, &expr.Byteorder{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Op: expr.ByteorderHton, Len: 4, Size: 4})
	} else {
		set.name, set.size = "h"+set.name[1:], slots
	}
	return &laidSet{set: set, isConstant: true, list: elements, sum: sumOf(elements)},
		append(list, &expr.Lookup{SourceRegister: unix.NFT_REG_1, DestRegister: dest, IsDestRegSet: true, SetName: set.name})
}

func bigEndian(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// number leaves the number in the first register by which a server is chosen.
func (s *Service) number(all uint32) []expr.Any {
	if !s.byHash() {
		return []expr.Any{&expr.Numgen{Register: unix.NFT_REG_1, Modulus: all, Type: unix.NFT_NG_RANDOM}}
	}
	f := familyOf(s.Address)
	list, size := []expr.Any{&expr.Payload{DestRegister: hashed, Base: expr.PayloadBaseNetworkHeader, Offset: f.source, Len: f.size}}, f.size
	if !s.Hash {
		list = append(list, &expr.Payload{DestRegister: hashed + f.size/4, Base: expr.PayloadBaseTransportHeader, Offset: sourcePort, Len: 2})
		size += 4
	}
	return append(list, &expr.Hash{SourceRegister: hashed, DestRegister: unix.NFT_REG_1, Length: size, Modulus: slots, Seed: 0x77656972, Type: expr.HashTypeJenkins})
}

// hashed is the first of the registers that hold who asks.
const hashed = register + 4

func native(n uint32) []byte { return binaryutil.NativeEndian.PutUint32(n) }

// hashOf is a short name for what may be long: names in the kernel are limited.
func hashOf(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// idLen is the bytes of an id: by chance two of 20,000 servers have the same one in one case of a million.
const idLen = 6

// idOf stands for a server of a service in the memory of flows, whatever becomes of the others.
func idOf(s *Service, server *Server) string {
	h := fnv.New64a()
	h.Write([]byte(s.Name + "\x00" + server.Name))
	return string(binary.BigEndian.AppendUint64(nil, h.Sum64())[:idLen])
}
