package netfilter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A connection that is ended stays refused for longer than the two hours after which Linux asks an idle peer whether it is still there.
const (
	endedTimeout = 3 * time.Hour
	endedMost    = 1 << 20
	endedSet     = "ended"
	endedChain   = "ended" // of destination NAT
	rawPriority  = -300    // before connection tracking, which would take a packet in the middle of a connection for the beginning of one
)

// endedSets add the sets of connections that are ended. Keys are both ends of a packet, its sender first.
func (l *layout) endedSets() {
	for _, f := range families() {
		s := f.flowSet(endedSet + f.suffix)
		s.timeout, s.size = endedTimeout, endedMost
		l.add(s)
	}
}

// endedRules match packets of connections that were ended, but resets, and take a connection out of the set that begins anew between the same ends.
func (f *family) endedRules(known, end []expr.Any) []rule {
	const remove = 2 // NFT_DYNSET_OP_DELETE
	name := endedSet + f.suffix
	lookup := []expr.Any{&expr.Lookup{SourceRegister: register, SetName: name}}
	return []rule{
		tagged("begins"+f.suffix, known, flagged(synchronize, expr.CmpOpNeq), f.flowKey(), lookup, []expr.Any{&expr.Dynset{SrcRegKey: register, SetName: name, Operation: remove}}),
		tagged("ended"+f.suffix, known, flagged(reset, expr.CmpOpEq), f.flowKey(), lookup, end),
	}
}

// endNAT answers packets of connections that were ended with a reset, to whichever end sends one.
func (l *layout) endNAT() {
	l.endedSets()
	const tcpReset = 1 // NFT_REJECT_TCP_RST
	var rules []rule
	for _, f := range families() {
		rules = append(rules, f.endedRules(metaIs(expr.MetaKeyNFPROTO, []byte{f.number}), []expr.Any{&expr.Reject{Type: tcpReset}})...)
	}
	l.base(endedChain, hook{unix.NF_INET_PRE_ROUTING, rawPriority, "filter", ""}, rules...)
}

// End has these connections answered with a reset, from now on, whichever end sends. Connection tracking has to forget them afterwards. It is for destination NAT.
func (f *Forwarding) End(list []Connection) error {
	t := f.tables[tableKey{}]
	if t == nil {
		t = f.tables[tableKey{keep: true}]
	}
	if t == nil || len(list) == 0 {
		return nil
	}
	if err := f.withEnded(); err != nil {
		return err
	}
	by := map[string][]element{}
	for i := range list {
		c := &list[i]
		if c.UDP {
			continue
		}
		set := endedSet + familyOf(c.Client.Addr()).suffix
		by[set] = append(by[set], element{key: flowBetween(c.Client, c.Listen)}, element{key: flowBetween(c.Server, c.Back)})
	}
	return t.refuse(by, nil)
}

// EndFlows ends the flows of direct return that isMeant chooses. The next packet of a TCP connection comes to this machine, which resets connections that it does not know; only
// resets go on to the server, such as the client's answer to what that still sends. Flows of datagrams are forgotten. It returns how many flows there were.
func (f *Forwarding) EndFlows(isMeant func(client netip.AddrPort, to Way) bool) (n int, err error) {
	for _, t := range f.tables {
		if t.device == "" {
			continue
		}
		servers := t.servers()
		ended, forgotten := map[string][]element{}, map[string][]element{}
		for _, family := range families() {
			list, err := t.listFlows(family)
			if err != nil {
				return n, explain(err)
			}
			for i := range list {
				e := &list[i]
				way, known := servers[e.data]
				if !known || !isMeant(family.flowFrom(e), way) {
					continue
				}
				n++
				if by, name := ended, endedSet+family.suffix; !way.UDP {
					by[name] = append(by[name], element{key: e.key})
				} else {
					forgotten[flowSet+family.suffix] = append(forgotten[flowSet+family.suffix], element{key: e.key})
				}
			}
		}
		if len(ended)+len(forgotten) == 0 {
			continue
		}
		if err := f.withEnded(); err != nil {
			return n, err
		}
		if err := t.refuse(ended, forgotten); err != nil {
			return n, err
		}
	}
	return n, nil
}

// listFlows lists the flows that are remembered and have not been ended.
func (t *forwardTable) listFlows(f family) (list []element, err error) {
	list, err = t.socket.listElements(t.family, t.name, flowSet+f.suffix)
	if err != nil || !t.ends || len(list) == 0 {
		return list, err
	}
	ended, err := t.socket.listElements(t.family, t.name, endedSet+f.suffix)
	by := byKey(ended)
	return slices.DeleteFunc(list, func(e element) bool { _, is := by[e.key]; return is }), err
}

// withEnded has the tables be able to refuse what was ended: packets pay for that from the first time on only.
func (f *Forwarding) withEnded() error {
	if f.ends {
		return nil
	}
	f.ends = true
	var next []planned
	var err error
	for _, t := range f.tables {
		p := planned{t, t.laid}
		t.ends = true
		err = errors.Join(err, t.lay(&p.laid))
		next = append(next, p)
	}
	if err == nil {
		_, err = f.bring(next, nil)
	}
	if err != nil {
		f.ends = false
		for _, t := range f.tables {
			t.ends = false
		}
	}
	return err
}

// refuse adds to the sets of ended connections, and takes flows out of the memory. Flows that have timed out meanwhile are no error.
func (t *forwardTable) refuse(ended, forgotten map[string][]element) error {
	const most = 1024 // in a transaction, so that one flow that is gone holds up few others
	each := func(by map[string][]element, write func(b *batch, set string, list []element)) (err error) {
		for set, list := range by {
			for len(list) > 0 {
				n := min(len(list), most)
				b := newBatch(t.family, t.name)
				write(b, set, list[:n])
				if e := t.socket.commit(b); e != nil {
					err = errors.Join(err, fmt.Errorf("set %s: %w", set, e))
				}
				list = list[n:]
			}
		}
		return err
	}
	err := each(ended, func(b *batch, set string, list []element) { b.addElements(set, list) })
	for set, list := range forgotten {
		for i := range list {
			b := newBatch(t.family, t.name)
			b.deleteElements(set, list[i:i+1])
			if e := t.socket.commit(b); e != nil && !errors.Is(e, unix.ENOENT) {
				err = errors.Join(err, e)
			}
		}
	}
	return explain(err)
}

// flowBetween is the key of packets of TCP from one end to another.
func flowBetween(from, to netip.AddrPort) string {
	return endpoint(unix.IPPROTO_TCP, from.Addr(), from.Port()) + endpoint(0, to.Addr(), to.Port())[4:]
}

// flowFrom is the client of a flow's element.
func (f *family) flowFrom(e *element) netip.AddrPort {
	ip, _ := netip.AddrFromSlice([]byte(e.key[4 : 4+f.size]))
	return netip.AddrPortFrom(ip, listenOf(e, ip, int(4+f.size)).Ports.First)
}
