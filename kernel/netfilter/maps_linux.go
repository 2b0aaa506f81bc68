package netfilter

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// madeMaps are maps of a table that were made for rules to come.
type madeMaps struct {
	table *forwardTable
	names []string
}

// makeMaps makes the constant maps that tables lack, in a transaction of their own: the kernel begins with new rules some time before the elements of interval maps from the same transaction can be
// found, and a packet that comes in between would find no server. Tables that are not there yet have no packets.
func (f *Forwarding) makeMaps(next []planned) (made []madeMaps, err error) {
	b := newBatch(unix.NFPROTO_INET, "")
	for i := range next {
		p := &next[i]
		if p.wanted == nil || len(p.table.have.chains) == 0 {
			continue
		}
		b.family, b.table = p.table.family, p.table.name
		m := madeMaps{table: p.table}
		for _, name := range p.wanted.setNames() {
			if s := p.wanted.sets[name]; s.isConstant && !p.table.have.sets[name] {
				b.addSet(&s.set)
				b.addElements(name, s.list)
				p.table.have.sets[name], p.table.have.sums[name] = true, s.sum
				m.names = append(m.names, name)
			}
		}
		if len(m.names) > 0 {
			made = append(made, m)
		}
	}
	if len(made) == 0 {
		return nil, nil
	}
	if err := f.commitAside(b); err != nil {
		f.forget(next)
		return nil, explain(err)
	}
	err = f.refresh(next, nil) // what somebody else has changed meanwhile
	for _, m := range made {
		if err == nil {
			err = m.verify()
		}
	}
	if err != nil {
		f.unmakeMaps(made)
	}
	return made, err
}

// verify holds what the kernel has made of the maps against what is wanted.
func (m *madeMaps) verify() error {
	t := m.table
	for _, name := range m.names {
		list, err := t.socket.listElements(t.family, t.name, name)
		if err != nil {
			return fmt.Errorf("what was written cannot be read back: table %s: %w", t.name, explain(err))
		}
		if sumOf(list) != t.have.sums[name] {
			return fmt.Errorf("table %s: the kernel's map %s has other elements than were written", t.name, name)
		}
	}
	return nil
}

// unmakeMaps removes maps whose rules the kernel has not taken.
func (f *Forwarding) unmakeMaps(made []madeMaps) {
	b := newBatch(unix.NFPROTO_INET, "")
	for _, m := range made {
		b.family, b.table = m.table.family, m.table.name
		for _, name := range m.names {
			b.deleteSet(name)
		}
		m.table.have = nil
	}
	if !b.isEmpty() {
		f.socket.commit(b) // a rule that reads one of them after all has it stay, and the next change removes it
	}
}

// commitAside commits what changes nothing that is known of tables, or what is noted already. Where somebody else was at work as well the tables are read anew.
func (f *Forwarding) commitAside(b *batch) (err error) {
	was := f.generation
	if err = f.socket.commit(b); err == nil {
		f.generation, err = f.socket.generation()
	}
	if err != nil || f.generation != was+1 {
		for _, t := range f.tables {
			t.have = nil
		}
	}
	return err
}
