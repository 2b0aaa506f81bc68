package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Forwarding is the tables in which the kernel sends traffic on by itself. Used by one goroutine at a time.
type Forwarding struct {
	socket *socket // owns the tables that go with the process; nil until there is something to do
	tables map[tableKey]*forwardTable
	kept   string
	config string
	alone  bool // tables of a process before have been removed, or taken over
	marked bool // the table that says who keeps tables is there

	generation uint32 // of all tables of the network namespace, when they were last read
}

// tableKey says which services a table has: those of an interface, "" for destination NAT, that outlive the process or do not.
type tableKey struct {
	device string
	keep   bool
}

// forwardTable is one table. Kept ones have no owner in the kernel, so that they outlive the process.
type forwardTable struct {
	tableKey
	socket *socket
	family byte
	name   string

	laid
	have *state // what the kernel has in it; nil: not known
}

// laid is what a table is to hold.
type laid struct {
	services []Service
	wanted   *layout // nil: the table is not to be there
	link     string  // the interface that the rules were written for
}

// OpenForwarding begins without services. kept is the name under which services with Keep outlive this process, and are taken over by the first Apply of another process with
// that name. config is the configuration's file, which Kept shows.
func OpenForwarding(kept, config string) *Forwarding {
	return &Forwarding{tables: map[tableKey]*forwardTable{}, kept: kept, config: config}
}

// Apply makes the kernel send on these services and no others, and reads back what it has made of it. All tables change by one transaction, or two where a service
// moves from one table to another: it is in both, then. Connections that are established stay where they are. After an error everything is as it was.
func (f *Forwarding) Apply(services []Service) error {
	left, err := f.open()
	if err != nil && len(services) == 0 && len(f.tables) == 0 {
		err = nil // without the power to look there are no tables of weir's either
	} else if err == nil {
		err = f.apply(services, left)
	}
	if len(f.tables) == 0 {
		err = errors.Join(err, f.Close())
	}
	return err
}

// open opens the socket if there is none, and lists the tables that a process before has left.
func (f *Forwarding) open() (left []tableHead, err error) {
	if f.socket == nil {
		if f.socket, err = openSocket(); err != nil {
			return nil, explain(err)
		}
	}
	left, err = f.leftBefore()
	return left, explain(err)
}

func (f *Forwarding) apply(services []Service, left []tableHead) error {
	next, err := f.lay(services, left)
	if err != nil {
		return err
	}
	drop := slices.DeleteFunc(left, func(h tableHead) bool {
		return slices.ContainsFunc(next, func(p planned) bool { return p.table.name == h.name })
	})
	if both, isMove := f.both(next, drop); isMove {
		err = f.move(both, next, drop)
	} else {
		_, err = f.bring(next, drop)
	}
	f.alone = f.alone || err == nil
	return err
}

// both has services that move from one table to another be in both, so that a packet finds its service in one of them at any moment. One transaction for all would not do: the
// kernel replaces interval maps one after the other, some time after it has begun with the new rules. isMove is false if no service moves.
func (f *Forwarding) both(next []planned, drop []tableHead) (list []planned, isMove bool) {
	where := map[string]*forwardTable{}
	for i := range next {
		for j := range next[i].services {
			where[next[i].services[j].Name] = next[i].table
		}
	}
	for _, p := range next {
		var leaving []Service
		for i := range p.table.services {
			if s := &p.table.services[i]; where[s.Name] != nil && where[s.Name] != p.table {
				leaving = append(leaving, *s)
			}
		}
		if len(leaving) > 0 {
			p.laid = laid{services: append(leaving, p.services...), link: p.link}
			isMove = true
		}
		list = append(list, p)
	}
	return list, isMove || len(drop) > 0
}

// move brings services to both tables first, and then leaves each in one. If the second step fails, everything is as it was.
func (f *Forwarding) move(both, next []planned, drop []tableHead) error {
	back := make([]planned, len(next))
	for i, p := range next {
		back[i] = planned{p.table, p.table.laid}
	}
	for i := range both {
		if p := &both[i]; p.wanted == nil && len(p.services) > 0 {
			if err := p.table.lay(&p.laid); err != nil {
				return err
			}
		}
	}
	if _, err := f.bringKeeping(both, drop); err != nil {
		return err
	}
	_, err := f.bring(next, drop)
	if err != nil {
		_, undone := f.bring(back, nil)
		err = errors.Join(err, undone)
	}
	return err
}

// planned is what a table is to become.
type planned struct {
	table *forwardTable
	laid
}

// leftBefore lists, at the first call, the tables that a process before has kept under the name, also those of other versions of weir.
func (f *Forwarding) leftBefore() (left []tableHead, err error) {
	if f.alone || f.kept == "" {
		return nil, nil
	}
	list, err := f.socket.tableHeads()
	for _, h := range list {
		if strings.HasPrefix(h.name, keptPrefix+f.kept+"-") {
			left = append(left, h)
		}
	}
	return left, err
}

// lay plans every table: those that are there already and those that services need. A table of the process stays when it is empty; a kept one goes. Where the last table for NAT
// would go, an empty one of the process takes its place: the kernel would stop rewriting for the connections that it has, and their next packet would come to this machine itself.
func (f *Forwarding) lay(services []Service, left []tableHead) (next []planned, err error) {
	by := map[tableKey][]Service{}
	for _, s := range services {
		key := tableKey{s.Direct, s.Keep}
		by[key] = append(by[key], s)
	}
	rewrites := slices.ContainsFunc(left, func(h tableHead) bool { return strings.HasSuffix(h.name, "-"+natKind) })
	for key := range f.tables {
		rewrites = rewrites || key.device == ""
		if _, wanted := by[key]; !wanted && !key.keep {
			by[key] = nil
		}
	}
	if _, is := by[tableKey{keep: true}]; rewrites && !is {
		by[tableKey{}] = by[tableKey{}]
	}
	for key, t := range f.tables {
		if _, stays := by[key]; !stays {
			next = append(next, planned{table: t})
		}
	}
	for key, of := range by {
		t := f.tables[key]
		if t == nil {
			t = f.newTable(key)
		}
		p := planned{table: t, laid: laid{services: of}}
		if err := t.lay(&p.laid); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		next = append(next, p)
	}
	slices.SortFunc(next, func(a, b planned) int { return strings.Compare(a.table.name, b.table.name) })
	return next, nil
}

func (f *Forwarding) newTable(key tableKey) *forwardTable {
	t := &forwardTable{tableKey: key, socket: f.socket, family: unix.NFPROTO_INET}
	kind := natKind
	if key.device != "" {
		t.family, kind = unix.NFPROTO_NETDEV, directKind+key.device
	}
	prefix := fmt.Sprintf("weir-%d-", os.Getpid())
	if key.keep {
		prefix = keptPrefix + f.kept + "-"
	}
	t.name = prefix + kind
	return t
}

// What the names of tables are made of.
const (
	keptPrefix = "weir-"
	natKind    = "nat"
	directKind = "return-"
)

// Close ends the services that do not outlive the process.
func (f *Forwarding) Close() error {
	f.tables = map[tableKey]*forwardTable{}
	if f.socket == nil {
		return nil
	}
	s := f.socket
	f.socket, f.marked = nil, false
	return s.close() // the kernel removes the tables that the socket owns
}

// Restore puts back what somebody else has changed or removed, and reports whether there was anything. It costs one system call as long as nobody has changed any table.
func (f *Forwarding) Restore() (restored bool, err error) {
	if f.socket == nil || len(f.tables) == 0 {
		return false, nil
	}
	now, err := f.socket.generation()
	if err != nil {
		return false, explain(err)
	}
	isKnown := true
	var next []planned
	for _, t := range f.tables {
		isKnown = isKnown && t.have != nil
		next = append(next, planned{t, t.laid})
	}
	if isKnown && now == f.generation {
		return false, nil
	}
	return f.bring(next, nil)
}

// CanSendFrames reports why an interface cannot be that of direct return.
func CanSendFrames(link *net.Interface) error {
	if len(link.HardwareAddr) != 6 {
		return fmt.Errorf("interface %s has no Ethernet address", link.Name)
	}
	return nil
}

func (t *forwardTable) lay(l *laid) error {
	if t.device == "" {
		l.wanted = layNAT(l.services, t.wanted)
		return nil
	}
	link, err := net.InterfaceByName(t.device)
	if err != nil {
		return fmt.Errorf("interface %s: %w", t.device, err)
	}
	if err := CanSendFrames(link); err != nil {
		return err
	}
	before := t.wanted
	l.link = link.HardwareAddr.String() + strconv.Itoa(link.Index)
	if t.link != l.link {
		before = nil // rules name both
	}
	l.wanted = layDirect(l.services, link, before)
	return nil
}

// bring makes the kernel's tables be as planned, by one transaction that changes what differs; changed reports whether anything did. A second transaction removes maps that no rule
// reads any more: a packet that is in an old rule while the first is committed still finds its map. Flows that tables remember are taken along; drop are tables that go.
func (f *Forwarding) bring(next []planned, drop []tableHead) (changed bool, err error) {
	return f.transact(next, drop, drop)
}

// bringKeeping is bring, but the tables to drop stay: only their flows are taken over.
func (f *Forwarding) bringKeeping(next []planned, drop []tableHead) (changed bool, err error) {
	return f.transact(next, drop, nil)
}

// transact takes flows over from old tables, and deletes those in drop.
func (f *Forwarding) transact(next []planned, old, drop []tableHead) (changed bool, err error) {
	if err := f.refresh(next, nil); err != nil {
		return false, err
	}
	b := newBatch(unix.NFPROTO_INET, "")
	before := map[*forwardTable]*state{}
	for i := range next {
		p := &next[i]
		before[p.table] = p.table.have
		b.family, b.table = p.table.family, p.table.name
		if p.wanted != nil {
			p.table.change(b, p.wanted, f.config)
		} else if len(p.table.have.chains) > 0 {
			b.deleteTable()
		}
	}
	marks := f.mark(b, next)
	if err := f.moveFlows(b, next, old); err != nil {
		f.forget(next)
		return false, explain(err)
	}
	for _, h := range drop {
		b.family, b.table = h.family, h.name
		b.deleteTable()
	}
	if !b.isEmpty() {
		changed = true
		if err := f.socket.commit(b); err != nil {
			f.forget(next)
			return true, explain(err)
		}
		f.marked = f.marked || marks
	}
	for i := range next {
		next[i].table.settle(f, next[i].laid)
	}
	if !changed {
		return false, nil
	}
	if err := f.refresh(next, before); err != nil {
		return true, fmt.Errorf("what was written cannot be read back: %w", err)
	}
	for i := range next {
		p := &next[i]
		if p.wanted == nil {
			continue
		}
		if err := p.table.verify(p.wanted); err != nil {
			f.forget(next)
			return true, fmt.Errorf("table %s: %w", p.table.name, err)
		}
	}
	return true, explain(f.dropMaps())
}

// mark has a process that keeps tables own an empty one besides: it is there for as long as the process is, see RunningWith.
func (f *Forwarding) mark(b *batch, next []planned) bool {
	if f.marked || !slices.ContainsFunc(next, func(p planned) bool { return p.table.keep && p.wanted != nil }) {
		return false
	}
	b.family, b.table = unix.NFPROTO_INET, fmt.Sprintf("weir-%d-keeps", os.Getpid())
	b.addTable(true, f.config)
	return true
}

// settle notes what the kernel has taken.
func (t *forwardTable) settle(f *Forwarding, l laid) {
	t.laid = l
	if l.wanted == nil {
		delete(f.tables, t.tableKey)
		return
	}
	f.tables[t.tableKey] = t
}

// forget has the next call read the tables anew.
func (f *Forwarding) forget(next []planned) {
	for i := range next {
		next[i].table.have = nil
	}
}

// dropMaps removes the maps that no rule reads.
func (f *Forwarding) dropMaps() (err error) {
	b := newBatch(unix.NFPROTO_INET, "")
	for _, t := range f.tables {
		b.family, b.table = t.family, t.name
		for name := range t.have.sets {
			if t.wanted.sets[name] == nil {
				b.deleteSet(name)
				delete(t.have.sets, name)
				delete(t.have.sums, name)
			}
		}
	}
	if b.isEmpty() {
		return nil
	}
	was := f.generation
	if err = f.socket.commit(b); err == nil {
		f.generation, err = f.socket.generation()
	}
	if err != nil || f.generation != was+1 { // else somebody else was at work as well
		for _, t := range f.tables {
			t.have = nil
		}
	}
	return err
}

// refresh learns what the kernel has, if somebody may have changed it since it was last known. before is what the tables had before a transaction of weir's, if that has
// just been committed: then, unless somebody else was at work as well, maps with the old names and the counters need not be read again.
func (f *Forwarding) refresh(next []planned, before map[*forwardTable]*state) error {
	now, err := f.socket.generation()
	if err != nil {
		return explain(err)
	}
	isOurs := before != nil && now == f.generation+1
	isSame := now == f.generation
	for i := range next {
		p := &next[i]
		if p.table.have != nil && isSame {
			continue
		}
		var known *state
		if isOurs {
			known = before[p.table]
		}
		wanted := p.wanted
		if wanted == nil {
			wanted = newLayout()
		}
		if err := p.table.read(wanted, known); err != nil {
			f.forget(next)
			return fmt.Errorf("table %s: %w", p.table.name, explain(err))
		}
	}
	f.generation = now
	return nil
}

// read learns what the kernel has in the table.
func (t *forwardTable) read(wanted *layout, before *state) error {
	have, _, err := t.socket.read(t.family, t.name)
	if err != nil {
		return err
	}
	for name, s := range wanted.sets {
		if !have.sets[name] || s.memory {
			continue
		}
		if before != nil && s.isConstant {
			if sum, known := before.sums[name]; known {
				have.sums[name] = sum
				continue
			}
		}
		if before != nil && s.counts && before.elements[name] != nil {
			have.elements[name] = before.elements[name]
			continue
		}
		list, err := t.socket.listElements(t.family, t.name, name)
		if err != nil {
			return err
		}
		if s.isConstant {
			have.sums[name] = sumOf(list)
		} else {
			have.elements[name] = byKey(list)
		}
	}
	t.have = have
	return nil
}

// change writes what makes the table that there is be the wanted one.
func (t *forwardTable) change(b *batch, wanted *layout, comment string) {
	if len(t.have.chains) == 0 {
		b.addTable(!t.keep, comment)
	}
	for _, name := range wanted.setNames() {
		switch s := wanted.sets[name]; {
		case !t.have.sets[name]:
			b.addSet(&s.set)
			b.addElements(name, s.list)
		case s.isConstant && t.have.sums[name] != s.sum:
			b.flushSet(name)
			b.addElements(name, s.list)
		}
	}
	names := wanted.chainNames()
	for _, name := range names {
		if _, exists := t.have.chains[name]; !exists {
			b.addChain(name, wanted.chains[name].hook)
		}
	}
	for _, name := range names {
		c := wanted.chains[name]
		if now := t.have.chains[name]; now != c.tags() {
			if now != "" {
				b.flushChain(name)
			}
			for _, r := range c.rules {
				b.addRule(name, r.tag, r.list)
			}
		}
	}
	for _, name := range wanted.setNames() {
		if s := wanted.sets[name]; !s.isConstant && !s.memory {
			t.changeElements(b, s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.have.chains)) {
		if wanted.chains[name] == nil {
			b.flushChain(name)
			b.deleteChain(name)
		}
	}
}

// changeElements changes the elements that differ. What has counted stays for a server that comes back, until there is too much of it.
func (t *forwardTable) changeElements(b *batch, s *laidSet) {
	have, remove, add := t.have.elements[s.name], []element(nil), []element(nil)
	if have == nil {
		have = map[string]element{}
	}
	isFull := len(have) > len(s.elements)+countersMost
	for key, e := range have {
		if w, wanted := s.elements[key]; !wanted && (!s.counts || isFull) || wanted && !w.isSame(e) {
			remove = append(remove, e)
		}
	}
	for key, e := range s.elements {
		if h, has := have[key]; !has || !h.isSame(e) {
			add = append(add, e)
		}
	}
	b.deleteElements(s.name, remove)
	b.addElements(s.name, add)
	if s.counts { // these are not read back
		have = maps.Clone(have)
		for i := range remove {
			delete(have, remove[i].identity())
		}
		for i := range add {
			have[add[i].identity()] = add[i]
		}
		t.have.elements[s.name] = have
	}
}

// countersMost bounds the counters that are left of servers that are gone.
const countersMost = 1 << 16

// verify holds what has been read back against what is wanted.
func (t *forwardTable) verify(wanted *layout) error {
	for name, c := range wanted.chains {
		if t.have.chains[name] != c.tags() {
			return fmt.Errorf("the kernel's chain %s is not as it was written", name)
		}
	}
	for name := range t.have.chains {
		if wanted.chains[name] == nil {
			return fmt.Errorf("the kernel still has chain %s", name)
		}
	}
	for name, s := range wanted.sets {
		switch {
		case !t.have.sets[name]:
			return fmt.Errorf("the kernel does not have map %s", name)
		case s.isConstant && t.have.sums[name] != s.sum, !s.isConstant && !s.memory && !s.holds(t.have.elements[name]):
			return fmt.Errorf("the kernel's map %s has other elements than were written", name)
		}
	}
	return nil
}

// RemoveKept removes one kept table, as ListKept names it.
func RemoveKept(table string) error {
	return removeTables(func(h tableHead) bool { return h.name == table && keptName(h.name) != "" })
}

func removeTables(is func(tableHead) bool) error {
	s, err := openSocket()
	if err != nil {
		return explain(err)
	}
	defer s.close()
	list, err := s.tableHeads()
	if err != nil {
		return explain(err)
	}
	for _, h := range list {
		if !is(h) {
			continue
		}
		b := newBatch(h.family, h.name)
		b.deleteTable()
		if err := s.commit(b); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("table %s: %w", h.name, explain(err))
		}
	}
	return nil
}

// keptName is the name under which the table is kept; "" if it is not a kept one of weir.
func keptName(table string) string {
	const hash = 8
	rest, ok := strings.CutPrefix(table, keptPrefix+KeptPrefix)
	if !ok || len(rest) <= hash || rest[hash] != '-' {
		return ""
	}
	return KeptPrefix + rest[:hash]
}

// ListKept lists the tables of this network namespace that outlive their processes, of all configurations.
func ListKept() (list []Kept, err error) {
	s, err := openSocket()
	if err != nil {
		return nil, explain(err)
	}
	defer s.close()
	heads, err := s.tableHeads()
	if err != nil {
		return nil, explain(err)
	}
	for _, h := range heads {
		name := keptName(h.name)
		if name == "" {
			continue
		}
		k := Kept{Table: h.name, Kept: name, Config: h.comment}
		_, k.Device, _ = strings.Cut(h.name, "-"+directKind)
		if k.Addresses, err = s.listens(h.family, h.name); err != nil {
			return nil, explain(err)
		}
		slices.SortFunc(k.Addresses, func(a, b Listen) int { return strings.Compare(a.String(), b.String()) })
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b Kept) int { return strings.Compare(a.Table, b.Table) })
	return list, nil
}

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
