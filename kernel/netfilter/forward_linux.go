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
	tables map[string]*forwardTable // by the interface that they are of; "" for destination NAT
	kept   string
	config string
	alone  bool // see dropOthers
}

// forwardTable is one table. Kept ones have no owner in the kernel, so that they outlive the process.
type forwardTable struct {
	socket  *socket
	family  byte
	name    string
	device  string
	keep    bool
	comment string
	link    string // the interface that the rules were last written for

	services   []Service
	wanted     *layout
	have       *state // what the kernel has in it; nil: not known
	generation uint32 // of all tables, when have was read
}

// OpenForwarding begins without services. kept is the name under which they outlive this process, and are taken over by the first Apply of another with that
// name; "" has them go with it. config is the configuration's file, which Kept shows.
func OpenForwarding(kept, config string) *Forwarding {
	return &Forwarding{tables: map[string]*forwardTable{}, kept: kept, config: config}
}

// Apply makes the kernel send on these services and no others, each table in one transaction, and reads back what it has made of it. Connections that are established stay
// where they are. After an error the table that it names is as it was.
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
	for _, device := range slices.Sorted(maps.Keys(byDevice)) {
		t, err := f.table(device)
		if err != nil {
			return err
		}
		if err := t.apply(byDevice[device]); err != nil {
			return fmt.Errorf("table %s: %w", t.name, explain(err))
		}
	}
	return f.dropOthers()
}

// dropOthers removes, once, what a process before has kept under the name and this one does not want: tables for other interfaces, and those of other versions of weir.
func (f *Forwarding) dropOthers() error {
	if f.kept == "" || f.alone {
		return nil
	}
	err := removeTables(func(h tableHead) bool {
		for _, t := range f.tables {
			if t.name == h.name {
				return false
			}
		}
		return strings.HasPrefix(h.name, keptPrefix+f.kept+"-")
	})
	f.alone = err == nil
	return err
}

func (f *Forwarding) table(device string) (*forwardTable, error) {
	if t := f.tables[device]; t != nil {
		return t, nil
	}
	s, err := openSocket()
	if err != nil {
		return nil, explain(err)
	}
	t := &forwardTable{socket: s, device: device, keep: f.kept != "", family: unix.NFPROTO_INET, comment: f.config}
	kind := natKind
	if device != "" {
		t.family, kind = unix.NFPROTO_NETDEV, directKind+device
	}
	prefix := fmt.Sprintf("weir-%d-", os.Getpid())
	if t.keep {
		prefix = keptPrefix + f.kept + "-"
	}
	t.name = prefix + kind
	f.tables[device] = t
	return t, nil
}

// What the names of tables are made of.
const (
	keptPrefix = "weir-"
	natKind    = "nat"
	directKind = "return-"
)

// Hold keeps the kernel rewriting for connections that there are, when there are no services any more: it would stop with the last table that does.
func (f *Forwarding) Hold() error {
	t, err := f.table("")
	if err != nil {
		return err
	}
	return explain(t.apply(nil))
}

// Close takes the services back, unless they are to be kept.
func (f *Forwarding) Close() (err error) {
	for _, t := range f.tables {
		err = errors.Join(err, t.socket.close()) // a table that is not to be kept goes with its socket
	}
	f.tables = map[string]*forwardTable{}
	return err
}

// Restore puts back what somebody else has changed or removed, and reports whether there was anything. It costs one system call as long as nobody has changed any table.
func (f *Forwarding) Restore() (restored bool, err error) {
	for _, t := range f.tables {
		if t.wanted == nil {
			continue
		}
		now, err := t.socket.generation()
		if err != nil {
			return restored, explain(err)
		}
		if now == t.generation && t.have != nil {
			continue
		}
		changed, err := t.bring(t.wanted)
		restored = restored || changed
		if err != nil {
			return restored, fmt.Errorf("table %s: %w", t.name, explain(err))
		}
	}
	return restored, nil
}

func (t *forwardTable) apply(services []Service) error {
	wanted, err := t.lay(services)
	if err != nil {
		return err
	}
	if _, err = t.bring(wanted); err == nil {
		t.services, t.wanted = services, wanted
	}
	return err
}

func (t *forwardTable) lay(services []Service) (*layout, error) {
	if t.device == "" {
		return layNAT(services, t.wanted), nil
	}
	link, err := net.InterfaceByName(t.device)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", t.device, err)
	}
	if len(link.HardwareAddr) != 6 {
		return nil, fmt.Errorf("interface %s has no Ethernet address", t.device)
	}
	before := t.wanted
	if t.link != link.HardwareAddr.String()+strconv.Itoa(link.Index) {
		before = nil // rules name both
	}
	t.link = link.HardwareAddr.String() + strconv.Itoa(link.Index)
	return layDirect(services, link, before), nil
}

// bring makes the kernel's table be as wanted, by one transaction that changes what differs; changed reports whether anything did. A second transaction removes maps that no rule
// reads any more: a packet that is in an old rule while the first is committed still finds its map.
func (t *forwardTable) bring(wanted *layout) (changed bool, err error) {
	if err := t.refresh(wanted, nil); err != nil {
		return false, err
	}
	b := newBatch(t.family, t.name)
	before := t.have
	t.change(b, wanted)
	if b.isEmpty() {
		return false, nil
	}
	t.have = nil // not known, until it is read back
	if err := t.socket.commit(b); err != nil {
		return true, err
	}
	if err := t.refresh(wanted, before); err != nil {
		return true, fmt.Errorf("it cannot be read back: %w", err)
	}
	if err := t.verify(wanted); err != nil {
		t.have = nil
		return true, err
	}
	return true, t.dropMaps(wanted)
}

// dropMaps removes the maps that no rule reads.
func (t *forwardTable) dropMaps(wanted *layout) (err error) {
	b := newBatch(t.family, t.name)
	for name := range t.have.sets {
		if wanted.sets[name] == nil {
			b.deleteSet(name)
			delete(t.have.sets, name)
			delete(t.have.sums, name)
		}
	}
	if b.isEmpty() {
		return nil
	}
	if err = t.socket.commit(b); err == nil {
		t.generation, err = t.socket.generation()
	}
	if err != nil {
		t.have = nil
	}
	return err
}

// refresh learns what the kernel has, if somebody may have changed it since it was last known. before is what it had before a transaction of this table, if that has
// just been committed: then, unless somebody else was at work as well, maps with the old names and the counters need not be read again.
func (t *forwardTable) refresh(wanted *layout, before *state) error {
	now, err := t.socket.generation()
	if err != nil {
		return err
	}
	if t.have != nil && t.generation == now {
		return nil
	}
	have, _, err := t.socket.read(t.family, t.name)
	if err != nil {
		return err
	}
	isOurs := before != nil && now == t.generation+1
	for name, s := range wanted.sets {
		if !have.sets[name] || s.memory {
			continue
		}
		if isOurs && s.isConstant {
			if sum, known := before.sums[name]; known {
				have.sums[name] = sum
				continue
			}
		}
		if isOurs && s.counts {
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
	t.have, t.generation = have, now
	return nil
}

// change writes what makes the table that there is be the wanted one.
func (t *forwardTable) change(b *batch, wanted *layout) {
	if len(t.have.chains) == 0 {
		b.addTable(!t.keep, t.comment)
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

// Forget removes what a process before has kept under that name.
func Forget(kept string) error {
	return removeTables(func(h tableHead) bool { return strings.HasPrefix(h.name, keptPrefix+kept+"-") })
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
		for _, set := range listenSets() {
			elements, err := s.listElements(h.family, h.name, set.name)
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return nil, explain(err)
			}
			for i := range elements {
				k.Addresses = append(k.Addresses, set.listen(&elements[i]))
			}
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
