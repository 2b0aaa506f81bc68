package netfilter

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// bring makes the kernel's tables be as planned, by one transaction that changes what differs; changed reports whether anything did. A transaction before it makes the maps that its rules will
// read, see makeMaps. One after it removes maps that no rule reads any more, once all packets that were in an old rule while the first was committed have found their map. Flows that tables remember are taken along; drop are tables that go.
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
	made, err := f.makeMaps(next)
	if err != nil {
		return false, err
	}
	changed, err = f.write(next, old, drop)
	if err != nil {
		f.unmakeMaps(made)
		return changed, err
	}
	if !changed {
		return false, nil
	}
	letPass()
	return true, explain(f.dropMaps())
}

// write is the transaction that changes rules, and reads back what the kernel has made of it.
func (f *Forwarding) write(next []planned, old, drop []tableHead) (changed bool, err error) {
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
		going := f.countGoing(next)
		if err := f.socket.commit(b); err != nil {
			f.forget(next)
			return true, explain(err)
		}
		f.marked = f.marked || marks
		f.gone.add(&going)
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
	return true, nil
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
	return f.commitAside(b)
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
	unwanted := slices.DeleteFunc(slices.Sorted(maps.Keys(t.have.chains)), func(name string) bool { return wanted.chains[name] != nil })
	for _, name := range unwanted { // first all rules: those of one may lead to another
		b.flushChain(name)
	}
	for _, name := range unwanted {
		b.deleteChain(name)
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
