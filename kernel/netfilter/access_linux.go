package netfilter

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// restrict puts the service's access in front of the other rules of its chain. Only what begins comes there: established connections, and flows that are remembered, stay when the
// access changes. What it refuses goes to a chain of its own, for good: a rule that refused by itself would let a client pass if its counter could not be found.
func (p *part) restrict() {
	s := &p.service
	if s.Access.IsOpen() {
		return
	}
	f := familyOf(s.Address)
	p.access = s.accessSet(&f)
	isFamily := metaIs(expr.MetaKeyNFPROTO, []byte{f.number})
	if s.Direct != "" {
		isFamily = metaIs(expr.MetaKeyPROTOCOL, f.frame)
	}
	first := tagged(fmt.Sprint("only ", p.access.name, " else ", s.refuseChain()), isFamily, []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: f.source, Len: f.size},
		&expr.Lookup{SourceRegister: register, SetName: p.access.name, Invert: true},
		&expr.Verdict{Kind: expr.VerdictGoto, Chain: s.refuseChain()}})
	p.laid = &laidChain{nil, append([]rule{first}, p.laid.rules...)}
}

// accessSet is the ranges of addresses that may use the service. Services with the same ranges share it.
func (s *Service) accessSet(f *family) *laidSet {
	var elements []element
	content := fnv.New64a()
	for _, r := range s.Access.permitted(f.number == unix.NFPROTO_IPV4) {
		elements = append(elements, element{key: string(r.first.AsSlice())})
		if end := r.last.Next(); end.IsValid() { // the last range of all has no end
			elements = append(elements, element{key: string(end.AsSlice()), ends: true})
		}
	}
	for i := range elements {
		fmt.Fprint(content, elements[i].identity())
	}
	return &laidSet{set: set{name: fmt.Sprintf("a%s-%016x", f.suffix, content.Sum64()), keyType: f.addressType, fields: []uint32{f.size}, intervals: true},
		isConstant: true, list: elements, sum: sumOf(elements)}
}

func (s *Service) refuseChain() string { return "r" + hashOf(s.Name) }

// resetting is whether the kernel can reset connections in tables of direct return.
type resetting uint8

const (
	notTried resetting = iota
	resets
	lacksReset
)

// mustDrop reports whether a table has to drop the connections that it refuses: resets in tables of direct return need the module nft_reject_netdev, which not every kernel has. It is
// tried once, and only where it is needed.
func (f *Forwarding) mustDrop(key tableKey, services []Service) bool {
	isNeeded := func(s Service) bool { return !s.UDP && !s.Access.IsOpen() }
	if key.device == "" || !slices.ContainsFunc(services, isNeeded) {
		return false
	}
	if f.reset == notTried {
		b := newBatch(unix.NFPROTO_NETDEV, fmt.Sprintf("weir-%d-reset", os.Getpid()))
		b.addTable(true, "")
		b.addChain("reset", nil)
		b.addRule("reset", "", rejectTCP())
		f.reset = resets
		if err := f.socket.rehearse(b); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) { // other errors are Apply's
			f.reset = lacksReset
		}
	}
	return f.reset == lacksReset
}

// rejectTCP counts and resets a connection.
func rejectTCP() []expr.Any {
	const tcpReset = 1 // NFT_REJECT_TCP_RST
	return append(metaIs(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}), &expr.Counter{}, &expr.Reject{Type: tcpReset})
}

// refuse counts what comes there and refuses it as weir itself does: TCP connections get a reset, datagrams no answer. drops: nothing gets an answer.
func (s *Service) refuse(drops bool) *laidChain {
	if s.UDP || drops {
		return &laidChain{nil, []rule{tagged("drop", []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}})}}
	}
	return &laidChain{nil, []rule{tagged("reset", rejectTCP())}}
}

// CountRefused is how many connections and datagrams were refused for their client's address so far, by the name of the service. Nothing is asked if no service has an Access.
func (f *Forwarding) CountRefused() (map[string]uint64, error) {
	all := map[string]uint64{}
	for name, n := range f.gone.refused {
		all[name] = n
	}
	for _, t := range f.tables {
		if err := t.countRefused(all, func(string) bool { return true }); err != nil {
			return nil, explain(err)
		}
	}
	return all, nil
}

// countRefused adds what the table has counted of services that isMeant chooses.
func (t *forwardTable) countRefused(all map[string]uint64, isMeant func(service string) bool) error {
	chains := map[string]string{} // to the name of the service
	for i := range t.services {
		if s := &t.services[i]; !s.Access.IsOpen() && isMeant(s.Name) {
			chains[s.refuseChain()] = s.Name
		}
	}
	if len(chains) == 0 {
		return nil
	}
	counted, err := t.socket.countRules(t.family, t.name)
	for chain, name := range chains {
		all[name] += counted[chain].Packets
	}
	return err
}

// countRules sums up what the rules of each chain have counted.
func (s *socket) countRules(family byte, table string) (map[string]Counter, error) {
	all := map[string]Counter{}
	err := s.dump(unix.NFT_MSG_GETRULE, family, func(b *batch) { b.text(unix.NFTA_RULE_TABLE, table) }, func(body []byte) {
		of, chain, counted := "", "", Counter{}
		eachAttribute(body, func(kind uint16, data []byte) {
			switch kind {
			case unix.NFTA_RULE_TABLE:
				of = textOf(data)
			case unix.NFTA_RULE_CHAIN:
				chain = textOf(data)
			case unix.NFTA_RULE_EXPRESSIONS:
				eachAttribute(data, func(_ uint16, data []byte) {
					if nameOf(data) == "counter" {
						counted = counterOf(data)
					}
				})
			}
		})
		if of == table && counted != (Counter{}) {
			n := all[chain]
			all[chain] = Counter{n.Packets + counted.Packets, n.Bytes + counted.Bytes}
		}
	})
	return all, err
}

// nameOf is the name of an expression.
func nameOf(expression []byte) (name string) {
	eachAttribute(expression, func(kind uint16, data []byte) {
		if kind == unix.NFTA_EXPR_NAME {
			name = textOf(data)
		}
	})
	return name
}
