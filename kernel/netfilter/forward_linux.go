package netfilter

import (
	"errors"
	"fmt"
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
	ends   bool // connections were ended
	marked bool // the table that says who keeps tables is there
	gone   gone // what was counted by what is there no more

	reset resetting // whether connections that direct return refuses can be reset

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
	ends   bool // it can refuse connections that were ended
	drops  bool // it drops the connections that it refuses

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

// lay plans every table: those that are there already and those that services need. A table of the process stays when it is empty, unless a kept one takes its place; a kept one goes. Where the last table for NAT
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
		if _, wanted := by[key]; !wanted && !key.keep && !f.isReplaced(key, by) {
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
		t.drops = f.mustDrop(key, of)
		p := planned{table: t, laid: laid{services: of}}
		if err := t.lay(&p.laid); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		next = append(next, p)
	}
	slices.SortFunc(next, func(a, b planned) int { return strings.Compare(a.table.name, b.table.name) })
	return next, nil
}

// isReplaced reports whether a table of the process need not stay when it is empty: a kept one has its services, and it refuses no connections that were ended.
func (f *Forwarding) isReplaced(key tableKey, by map[tableKey][]Service) bool {
	_, is := by[tableKey{key.device, true}]
	return is && !f.tables[key].ends
}

func (f *Forwarding) newTable(key tableKey) *forwardTable {
	t := &forwardTable{tableKey: key, socket: f.socket, family: unix.NFPROTO_INET, ends: f.ends}
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
		l.wanted = layNAT(l.services, t.wanted, t.ends)
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
	l.wanted = layDirect(l.services, link, before, t.ends, t.drops)
	return nil
}
