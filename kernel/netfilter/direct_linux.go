package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A flow is remembered until it has been silent for flowTimeout, or for closingTimeout once its client has closed it; flowsMost bounds how many are, beyond which they go by the
// hash alone.
const (
	flowTimeout    = 15 * time.Minute
	closingTimeout = time.Minute
	flowsMost      = 1 << 20
)

// Sets of direct return.
const flowSet, closingSet, hardwareSet, directSentSet = "flows", "closing", "hardware", "sent"

// The registers of direct return: a flow's key is in the first ones.
const (
	flowServer   = register + 11 // and the next: which server
	flowHardware = register + 13 // and the next: its hardware address
)

// serverSet has servers for its keys, by idOf. The type is nft's for six bytes, which it shows without knowing what they mean.
func serverSet(name string) set {
	return set{name: name, keyType: typeHardware, fields: []uint32{idLen}}
}

// layDirect gives frames for a service's address other hardware addresses and sends them out again, before anything else of the network sees them. The source becomes the
// interface's: a switch that learns from it would otherwise believe that the client is where weir is.
func layDirect(services []Service, link *net.Interface, before *layout, ends, drops bool) *layout {
	l := newLayout()
	l.drops = drops
	hardware := serverSet(hardwareSet)
	hardware.dataType, hardware.dataLen = typeHardware, 6
	sent := serverSet(directSentSet)
	sent.counts = true
	l.add(hardware)
	l.add(sent)
	var rules []rule
	if ends {
		l.endedSets()
	}
	for _, f := range families() {
		l.add(f.servicesByAddress())
		for name, timeout := range map[string]time.Duration{flowSet: flowTimeout, closingSet: closingTimeout} {
			flows := f.flowSet(name + f.suffix)
			flows.dataType, flows.dataLen, flows.timeout, flows.size = typeHardware, idLen, timeout, flowsMost
			l.add(flows)
		}
		frame := metaIs(expr.MetaKeyPROTOCOL, f.frame)
		known := func(set string) []expr.Any {
			return append(f.flowKey(), append([]expr.Any{&expr.Lookup{SourceRegister: register, DestRegister: flowHardware, IsDestRegSet: true, SetName: set + f.suffix}}, serverID()...)...)
		}
		machine := link.HardwareAddr.String() + f.suffix
		if ends { // to this machine, which resets connections that it does not know
			rules = append(rules, f.endedRules(frame, []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}})...)
		}
		rules = append(rules,
			tagged("closes"+machine, frame, flagged(finish|reset, expr.CmpOpNeq), known(flowSet), f.sendOn(link, f.forget(flowSet), f.forget(closingSet), f.remember(closingSet, closingTimeout))),
			tagged("known"+machine, frame, known(flowSet), f.sendOn(link, f.remember(flowSet, flowTimeout))),
			tagged("closing"+machine, frame, flagged(synchronize, expr.CmpOpEq), known(closingSet), f.sendOn(link, f.remember(closingSet, closingTimeout))),
			tagged("new"+f.suffix, frame, find(f.endpointKey(f.destination, destinationPort), f.servicesByAddress().name)))
	}
	l.base("in", hook{unix.NF_NETDEV_INGRESS, filterPriority, "filter", link.Name}, rules...)
	for i := range services {
		l.directService(&services[i], link, before)
	}
	return l
}

// flowSet is a set of flows, which packets may change.
func (f *family) flowSet(name string) set {
	return set{name: name, keyType: typesOf(typeProtocol, f.addressType, typePort, f.addressType, typePort), fields: []uint32{1, f.size, 2, f.size, 2}, memory: true}
}

// flowKey loads what a flow is known by, the client's end first.
func (f *family) flowKey() []expr.Any {
	words := f.size / 4
	return append(f.endpointKey(f.source, sourcePort),
		&expr.Payload{DestRegister: register + 2 + words, Base: expr.PayloadBaseNetworkHeader, Offset: f.destination, Len: f.size},
		&expr.Payload{DestRegister: register + 2 + 2*words, Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2})
}

// sendOn sends the frame to the server, if that still takes flows; the rule is broken off otherwise. memory is what becomes of the flow's memory.
func (f *family) sendOn(link *net.Interface, memory ...expr.Any) []expr.Any {
	hardware := func(offset uint32) expr.Any {
		return &expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: flowHardware, Base: expr.PayloadBaseLLHeader, Offset: offset, Len: 6}
	}
	const destination, source = 0, 6
	list := []expr.Any{&expr.Lookup{SourceRegister: flowServer, DestRegister: flowHardware, IsDestRegSet: true, SetName: hardwareSet}}
	list = append(list, memory...)
	return append(list,
		&expr.Lookup{SourceRegister: flowServer, SetName: directSentSet},
		hardware(destination),
		&expr.Immediate{Register: flowHardware, Data: link.HardwareAddr},
		hardware(source),
		&expr.Immediate{Register: flowHardware, Data: binary.NativeEndian.AppendUint32(nil, uint32(link.Index))},
		&forwardTo{device: flowHardware})
}

// serverID takes an id from where a map has put it, by way of the frame's destination, which is to be written anyway and of which nobody reads any more whether it is this
// machine: nft (1.0.6) aborts when it lists a rule that looks up what comes from a map as it is.
func serverID() []expr.Any {
	return []expr.Any{
		&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: flowHardware, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: idLen},
		&expr.Payload{DestRegister: flowServer, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: idLen},
	}
}

// remember adds the flow to a memory, or prolongs it there: with the server that it had.
func (f *family) remember(set string, timeout time.Duration) expr.Any {
	return &expr.Dynset{SrcRegKey: register, SrcRegData: flowServer, SetName: set + f.suffix, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: timeout}
}

func (f *family) forget(set string) expr.Any {
	const remove = 2 // NFT_DYNSET_OP_DELETE
	return &expr.Dynset{SrcRegKey: register, SrcRegData: flowServer, SetName: set + f.suffix, Operation: remove}
}

// Flags of TCP.
const finish, synchronize, reset = 0x01, 0x02, 0x04

// flagged are packets of TCP of which some of the flags are set, or with CmpOpEq none.
func flagged(flags byte, are expr.CmpOp) []expr.Any {
	return append(metaIs(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{flags}, Xor: []byte{0}},
		&expr.Cmp{Op: are, Register: 1, Data: []byte{0}})
}

func (l *layout) directService(s *Service, link *net.Interface, before *layout) {
	f := familyOf(s.Address)
	for i := range s.Servers {
		server := &s.Servers[i]
		l.put(hardwareSet, element{key: idOf(s, server), data: string(server.Hardware[:])})
		l.put(directSentSet, element{key: idOf(s, server)})
	}
	l.service(s, before, func(p *part) {
		var list []expr.Any
		p.draw, list = s.drawing(typeHardware, idLen, flowHardware, func(server *Server) string { return idOf(s, server) })
		if p.draw == nil {
			return // nothing new; flows that are known go on
		}
		list = append(append(append(list, serverID()...), f.flowKey()...), f.sendOn(link, f.forget(flowSet), f.remember(flowSet, flowTimeout))...)
		p.laid = &laidChain{nil, []rule{tagged(fmt.Sprint(p.draw.name, s.Hash, link.Index, link.HardwareAddr), list)}}
	})
}

// servers are those that are told to the kernel, by what they are known by there.
func (t *forwardTable) servers() map[string]Way {
	all := map[string]Way{}
	for i := range t.services {
		s := &t.services[i]
		for j := range s.Servers {
			all[idOf(s, &s.Servers[j])] = s.WayTo(&s.Servers[j])
		}
	}
	return all
}

func (t *forwardTable) countDirect(all map[Way]Counted) error {
	list, err := t.socket.listElements(t.family, t.name, directSentSet)
	if err != nil {
		return err
	}
	servers := t.servers()
	for i := range list {
		if w, known := servers[list[i].key]; known {
			all[w] = all[w].Plus(Counted{Sent: list[i].counted.Bytes})
		}
	}
	return nil
}

// Flows counts the flows of direct return that are remembered and that their clients have not closed, by server, and by the name of the service.
func (f *Forwarding) Flows() (all map[Way]int, of map[string]int, err error) {
	all, of = map[Way]int{}, map[string]int{}
	for _, t := range f.tables {
		if t.wanted == nil || t.device == "" {
			continue
		}
		servers, services := t.servers(), map[string]string{}
		for i := range t.services {
			s := &t.services[i]
			for j := range s.Servers {
				services[idOf(s, &s.Servers[j])] = s.Name
			}
		}
		for _, family := range families() {
			list, err := t.listFlows(family)
			if err != nil {
				return nil, nil, explain(err)
			}
			for i := range list {
				if w, known := servers[list[i].data]; known {
					all[w]++
					of[services[list[i].data]]++
				}
			}
		}
	}
	return all, of, nil
}

// moveFlows takes the memory of flows along to the table that their service moves to, so that they stay with their servers.
func (f *Forwarding) moveFlows(b *batch, next []planned, drop []tableHead) error {
	for i := range next {
		to := &next[i]
		moved := to.moved()
		if to.table.device == "" || len(moved) == 0 {
			continue
		}
		var from []string
		for j := range next {
			if other := next[j].table; other != to.table && other.device == to.table.device && other.wanted != nil {
				from = append(from, other.name)
			}
		}
		for _, h := range drop {
			if strings.HasSuffix(h.name, "-"+directKind+to.table.device) {
				from = append(from, h.name)
			}
		}
		b.family, b.table = to.table.family, to.table.name
		for _, table := range from {
			if err := to.table.takeFlows(b, table, moved); err != nil {
				return err
			}
		}
	}
	return nil
}

// moved are the services that the table did not have before.
func (p *planned) moved() (list []Listen) {
	had := map[string]bool{}
	for i := range p.table.services {
		had[p.table.services[i].Name] = true
	}
	for i := range p.services {
		if s := &p.services[i]; !had[s.Name] {
			list = append(list, Listen{UDP: s.UDP, IP: s.Address, Ports: s.Ports})
		}
	}
	return list
}

// takeFlows adds the flows to these services that another table remembers, and this one does not.
func (t *forwardTable) takeFlows(b *batch, from string, services []Listen) error {
	for _, name := range []string{flowSet + "4", flowSet + "6", closingSet + "4", closingSet + "6"} {
		f := families()[0]
		if strings.HasSuffix(name, "6") {
			f = families()[1]
		}
		list, err := t.socket.listElements(t.family, from, name)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		has := map[string]element{}
		if len(list) > 0 && t.have.sets[name] {
			own, err := t.socket.listElements(t.family, t.name, name)
			if err != nil {
				return err
			}
			has = byKey(own)
		}
		b.addElements(name, slices.DeleteFunc(list, func(e element) bool {
			_, known := has[e.identity()]
			return known || !slices.ContainsFunc(services, f.flowTo(&e).Overlaps)
		}))
	}
	return nil
}

// flowTo is where the flow of an element goes to.
func (f *family) flowTo(e *element) Listen {
	at := 8 + f.size // protocol, the client's address, its port
	ip, _ := netip.AddrFromSlice([]byte(e.key[at : at+f.size]))
	return listenOf(e, ip, int(at+f.size))
}
