package netfilter

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// direct gives frames for the service's address another hardware address and sends them out again, before anything else of the network sees them.
// The library has no word for nft's fwd; a copy that goes out and the drop of what came is the same.
func (t *forwardTable) direct(services []Service) error {
	link, err := net.InterfaceByName(t.device)
	if err != nil {
		return err
	}
	in := t.base("in", nftables.ChainTypeFilter, nftables.ChainHookIngress, nftables.ChainPriorityFilter)
	for i := range services {
		s := &services[i]
		if len(s.Servers) == 0 {
			continue
		}
		choose := t.conn.AddChain(&nftables.Chain{Name: "choose-" + s.Name, Table: t.table})
		t.add(in, append(s.frame(), &expr.Verdict{Kind: expr.VerdictGoto, Chain: choose.Name})...)
		flows := t.flows(s, choose)
		t.choose(s, choose)
		for j := range s.Servers {
			server := &s.Servers[j]
			t.add(&nftables.Chain{Name: s.chainOf(server), Table: t.table}, append(t.remember(s, server, flows), t.counter(countsSent, s, server),
				&expr.Immediate{Register: 1, Data: server.Hardware[:]},
				&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: 6},
				&expr.Immediate{Register: 1, Data: binary.NativeEndian.AppendUint32(nil, uint32(link.Index))},
				&expr.Dup{RegDev: 1, IsRegDevSet: true},
				&expr.Verdict{Kind: expr.VerdictDrop})...)
		}
	}
	return nil
}

// A flow is remembered until it has been silent for flowTimeout; flowsMost bounds how many are, beyond which they go by the hash alone.
const (
	flowsPrefix = "flows-"
	flowTimeout = 15 * time.Minute
	flowsMost   = 1 << 20
)

// flows has packets of a flow that is remembered go to its server, as long as that is in rotation: one that comes back gets its share of new ones only.
func (t *forwardTable) flows(s *Service, choose *nftables.Chain) *nftables.Set {
	key, _ := nftables.ConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService)
	if familyOf(s.Address.Addr()) == unix.NFPROTO_IPV6 {
		key, _ = nftables.ConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetService)
	}
	flows := &nftables.Set{Table: t.table, Name: flowsPrefix + s.Name, IsMap: true, Dynamic: true, HasTimeout: true, Timeout: flowTimeout, Size: flowsMost,
		Concatenation: true, KeyType: key, DataType: nftables.TypeMark}
	t.conn.AddSet(flows, nil)
	var known []nftables.SetElement
	for j := range s.Servers {
		server := &s.Servers[j]
		t.conn.AddChain(&nftables.Chain{Name: s.chainOf(server), Table: t.table})
		known = append(known, nftables.SetElement{Key: server.mark(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: s.chainOf(server)}})
	}
	marks := &nftables.Set{Table: t.table, Name: "marks-" + s.Name, IsMap: true, Constant: true, KeyType: nftables.TypeMark, DataType: nftables.TypeVerdict}
	t.conn.AddSet(marks, known)
	load, _ := s.flow()
	t.add(choose, append(load,
		&expr.Lookup{SourceRegister: keyRegister, DestRegister: 1, IsDestRegSet: true, SetName: flows.Name, SetID: flows.ID},
		&expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: marks.Name, SetID: marks.ID})...)
	return flows
}

// remember notes the flow as the server's, or that it is alive.
func (t *forwardTable) remember(s *Service, server *Server, flows *nftables.Set) []expr.Any {
	load, _ := s.flow()
	return append(load, &expr.Immediate{Register: 1, Data: server.mark()},
		&expr.Dynset{SrcRegKey: keyRegister, SrcRegData: 1, SetName: flows.Name, SetID: flows.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Timeout: flowTimeout})
}

// mark is what stands for the server in the memory of flows, over all changes of the others.
func (s *Server) mark() []byte {
	return binary.NativeEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s.Name)))
}

// frame is one that carries a packet to the service's address: a whole one, or a fragment's first part.
func (s *Service) frame() []expr.Any {
	kind := []byte{0x08, 0x00}
	if familyOf(s.Address.Addr()) == unix.NFPROTO_IPV6 {
		kind = []byte{0x86, 0xdd}
	}
	list := append(metaIs(expr.MetaKeyPROTOCOL, kind), metaIs(expr.MetaKeyL4PROTO, []byte{s.protocol()})...)
	list = append(list, addressIs(s.Address.Addr(), 16, 24)...)
	return append(list, port(2, s.Address.Port())...)
}
