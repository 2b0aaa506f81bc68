package netfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Forwarding is the tables in which the kernel sends traffic on by itself. Used by one goroutine at a time.
type Forwarding struct {
	tables map[string]*forwardTable // by the interface that they are of; "" for destination NAT
	kept   string
}

// forwardTable is one table. Kept ones have no owner in the kernel, so that they outlive the process.
type forwardTable struct {
	conn   *nftables.Conn
	table  *nftables.Table
	device string
	keep   bool

	counted map[string]bool // counters that rules have
}

// OpenForwarding begins without services. kept is the name under which they outlive this process, and are taken over by the first Apply of another with that
// name; "" has them go with it.
func OpenForwarding(kept string) *Forwarding {
	return &Forwarding{tables: map[string]*forwardTable{}, kept: kept}
}

// Apply makes the kernel send on these services and no others, each table at once. Connections that are established stay where they are.
func (f *Forwarding) Apply(services []Service) error {
	byDevice := map[string][]Service{}
	for _, s := range services {
		byDevice[s.Direct] = append(byDevice[s.Direct], s)
	}
	for device := range f.tables {
		if _, wanted := byDevice[device]; !wanted {
			byDevice[device] = nil
		}
	}
	for device, list := range byDevice {
		t, err := f.table(device)
		if err != nil {
			return err
		}
		if err := t.apply(list); err != nil {
			return fmt.Errorf("services %s: %w", names(list), err)
		}
	}
	return nil
}

func names(list []Service) string {
	var all []string
	for i := range list {
		all = append(all, list[i].Name)
	}
	return strings.Join(all, ", ")
}

func (f *Forwarding) table(device string) (*forwardTable, error) {
	if t := f.tables[device]; t != nil {
		return t, nil
	}
	family, name := nftables.TableFamilyINet, "forward"
	if device != "" {
		family, name = nftables.TableFamilyNetdev, "direct-"+device
	}
	t := &forwardTable{device: device, keep: f.kept != ""}
	var err error
	if t.keep {
		t.table = &nftables.Table{Name: "weir-" + f.kept + "-" + name, Family: family}
		if t.conn, err = nftables.New(); err == nil {
			t.conn.AddTable(t.table)
			err = t.conn.Flush()
		}
	} else {
		owned := &Table{table: &nftables.Table{Name: fmt.Sprintf("weir-%d-%s", os.Getpid(), name), Family: family}}
		t.table = owned.table
		t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(owned.own))
	}
	if err != nil {
		return nil, explain(err)
	}
	f.tables[device] = t
	return t, nil
}

// Close takes the services back, unless they are to be kept.
func (f *Forwarding) Close() (err error) {
	for _, t := range f.tables {
		if !t.keep {
			err = t.conn.CloseLasting()
		}
	}
	f.tables = map[string]*forwardTable{}
	return err
}

// Forget removes what a process before has kept under that name.
func Forget(kept string) error {
	conn, err := nftables.New()
	if err != nil {
		return explain(err)
	}
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyNetdev} {
		list, err := conn.ListTablesOfFamily(family)
		if err != nil {
			return explain(err)
		}
		for _, t := range list {
			if strings.HasPrefix(t.Name, "weir-"+kept+"-") {
				conn.DelTable(t)
			}
		}
	}
	return explain(conn.Flush())
}

// apply writes the table anew, in one transaction.
func (t *forwardTable) apply(services []Service) error {
	counters, err := t.counters()
	if err != nil {
		return explain(err)
	}
	if err := t.empty(); err != nil {
		return err
	}
	t.counted = map[string]bool{}
	if t.device != "" {
		if err := t.direct(services); err != nil {
			return err
		}
	} else {
		t.nat(services)
	}
	t.dropCounters(counters)
	return explain(t.conn.Flush())
}

// empty has the transaction begin with the removal of what is there: rules, then sets but what is known of flows, then chains. Those at a hook stay: a packet that had
// seen a new one before the transaction holds, and the old one after it, would be forwarded by neither.
func (t *forwardTable) empty() error {
	chains, err := t.conn.ListChainsOfTableFamily(t.table.Family)
	if err != nil {
		return explain(err)
	}
	sets, err := t.conn.GetSets(t.table)
	if err != nil {
		return explain(err)
	}
	t.conn.FlushTable(t.table)
	for _, s := range sets {
		if !s.Anonymous && !strings.HasPrefix(s.Name, flowsPrefix) {
			t.conn.DelSet(s)
		}
	}
	for _, c := range chains {
		if c.Table.Name == t.table.Name && c.Hooknum == nil {
			t.conn.DelChain(&nftables.Chain{Name: c.Name, Table: t.table})
		}
	}
	return nil
}

func (t *forwardTable) base(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return t.conn.AddChain(&nftables.Chain{Name: name, Table: t.table, Type: kind, Hooknum: hook, Priority: priority, Policy: &accept, Device: t.device})
}

func (t *forwardTable) add(chain *nftables.Chain, list ...expr.Any) {
	t.conn.AddRule(&nftables.Rule{Table: t.table, Chain: chain, Exprs: list})
}

// nat rewrites destinations of connections that come in, and of this machine's own.
func (t *forwardTable) nat(services []Service) {
	in := t.base("in", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	own := t.base("own", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	out := t.base("out", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	count := t.base("count", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	for i := range services {
		s := &services[i]
		if len(s.Servers) == 0 {
			continue
		}
		choose := t.conn.AddChain(&nftables.Chain{Name: "choose-" + s.Name, Table: t.table})
		for _, chain := range []*nftables.Chain{in, own} {
			t.add(chain, append(s.match(), &expr.Verdict{Kind: expr.VerdictGoto, Chain: choose.Name})...)
		}
		t.choose(s, choose)
		for j := range s.Servers {
			server := &s.Servers[j]
			t.add(&nftables.Chain{Name: s.chainOf(server), Table: t.table}, t.counter(counts, s, server), &expr.Immediate{Register: 1, Data: server.Address.Addr().AsSlice()},
				&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(server.Address.Port())},
				&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(familyOf(server.Address.Addr())), RegAddrMin: 1, RegProtoMin: 2, Specified: true})
			if s.Hide {
				t.add(out, append(s.towards(server), &expr.Masq{})...)
			}
			t.add(count, append(s.towards(server), t.counter(countsSent, s, server))...)
			t.add(count, append(s.from(server), t.counter(countsReceived, s, server))...)
		}
	}
}

func addressIs(a netip.Addr, offset4, offset6 uint32) []expr.Any {
	return addressIn(netip.PrefixFrom(a, a.BitLen()), offset4, offset6)
}

func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

func (s *Service) protocol() byte {
	if s.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

// chainOf is the chain that sends a connection on to a server.
func (s *Service) chainOf(server *Server) string { return "to-" + s.Name + "-" + server.Name }

// match is a packet to the service's address, of the servers' family.
func (s *Service) match() []expr.Any {
	list := append(metaIs(expr.MetaKeyNFPROTO, []byte{familyOf(s.Servers[0].Address.Addr())}), metaIs(expr.MetaKeyL4PROTO, []byte{s.protocol()})...)
	if a := s.Address.Addr(); !a.IsUnspecified() {
		list = append(list, addressIs(a, 16, 24)...)
	} else {
		list = append(list, &expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)})
	}
	return append(list, port(2, s.Address.Port())...)
}

// towards is a packet of a rewritten connection to a server, from one of it.
func (s *Service) towards(server *Server) []expr.Any { return s.between(server, 16, 24, 2) }
func (s *Service) from(server *Server) []expr.Any    { return s.between(server, 12, 8, 0) }

func (s *Service) between(server *Server, offset4, offset6, portOffset uint32) []expr.Any {
	a := server.Address.Addr()
	list := append(metaIs(expr.MetaKeyNFPROTO, []byte{familyOf(a)}), metaIs(expr.MetaKeyL4PROTO, []byte{s.protocol()})...)
	list = append(list, addressIs(a, offset4, offset6)...)
	list = append(list, port(portOffset, server.Address.Port())...)
	const destinationRewritten = 1 << 5 // IPS_DST_NAT
	return append(list, &expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(destinationRewritten), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)})
}

func port(offset uint32, number uint16) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(number)}}
}

// choose sends a new connection to a server's chain: by the hash of who asks, or by chance.
func (t *forwardTable) choose(s *Service, chain *nftables.Chain) {
	var elements []nftables.SetElement
	element := func(key, server int) {
		elements = append(elements, nftables.SetElement{Key: binary.NativeEndian.AppendUint32(nil, uint32(key)),
			VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: s.chainOf(&s.Servers[server])}})
	}
	if s.byHash() {
		for slot, owner := range shares(s.Servers) {
			element(slot, owner)
		}
	} else {
		ticket := 0
		for i := range s.Servers {
			for range s.Servers[i].Weight {
				element(ticket, i)
				ticket++
			}
		}
	}
	for i := range s.Servers { // a map may name only chains that are there
		t.conn.AddChain(&nftables.Chain{Name: s.chainOf(&s.Servers[i]), Table: t.table})
	}
	set := &nftables.Set{Table: t.table, Name: "servers-" + s.Name, IsMap: true, Constant: true, KeyType: nftables.TypeInteger, DataType: nftables.TypeVerdict}
	t.conn.AddSet(set, elements)
	t.add(chain, append(s.number(), &expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: set.Name, SetID: set.ID})...)
}

// byHash: each packet by itself is sent on directly, so that chance would spread those of a connection over the servers.
func (s *Service) byHash() bool { return s.Hash || s.Direct != "" }

// number leaves the number in the register by which a server is chosen.
func (s *Service) number() []expr.Any {
	if !s.byHash() {
		return []expr.Any{&expr.Numgen{Register: 1, Modulus: tickets(s.Servers), Type: unix.NFT_NG_RANDOM}}
	}
	load, size := s.client()
	if s.Direct != "" && !s.Hash {
		load, size = s.flow()
	}
	return append(load, &expr.Hash{SourceRegister: keyRegister, DestRegister: 1, Length: size, Modulus: slots, Seed: 0x77656972, Type: expr.HashTypeJenkins})
}

// keyRegister is the first of the 32-bit registers that hold who asks.
const keyRegister = unix.NFT_REG32_04

// client loads the client's address, flow with its port.
func (s *Service) client() (load []expr.Any, size uint32) {
	offset, size := uint32(12), uint32(4)
	if familyOf(s.Servers[0].Address.Addr()) == unix.NFPROTO_IPV6 {
		offset, size = 8, 16
	}
	return []expr.Any{&expr.Payload{DestRegister: keyRegister, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}}, size
}

func (s *Service) flow() (load []expr.Any, size uint32) {
	load, size = s.client()
	return append(load, &expr.Payload{DestRegister: keyRegister + size/4, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2}), size + 4
}
