package netfilter

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// state is what a table has in it, or should have.
type state struct {
	chains   map[string]string             // the tags of a chain's rules, joined
	sets     map[string]bool               // by name
	elements map[string]map[string]element // of sets that change, by set and key
	sums     map[string]uint64             // of those that do not
}

func newState() *state {
	return &state{chains: map[string]string{}, sets: map[string]bool{}, elements: map[string]map[string]element{}, sums: map[string]uint64{}}
}

// read reads a table back. ok is false if there is no such table.
func (s *socket) read(family byte, table string) (now *state, ok bool, err error) {
	now = newState()
	inTable := func(kind uint16) func(*batch) { return func(b *batch) { b.text(kind, table) } }
	err = s.dump(unix.NFT_MSG_GETCHAIN, family, inTable(unix.NFTA_CHAIN_TABLE), eachNamed(table, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, func(name string) { now.chains[name] = "" }))
	if err == nil && len(now.chains) > 0 {
		err = s.dump(unix.NFT_MSG_GETRULE, family, inTable(unix.NFTA_RULE_TABLE), now.noteRule(table))
	}
	if err == nil && len(now.chains) > 0 {
		err = s.dump(unix.NFT_MSG_GETSET, family, inTable(unix.NFTA_SET_TABLE), eachNamed(table, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, func(name string) { now.sets[name] = true }))
	}
	if errors.Is(err, unix.ENOENT) {
		return now, false, nil
	}
	return now, len(now.chains) > 0, err
}

// eachNamed calls do with the name of each object of the table. The attributes with the table's and the object's names differ between kinds of objects.
func eachNamed(table string, tableAttribute, nameAttribute uint16, do func(name string)) func(body []byte) {
	return func(body []byte) {
		of, name := "", ""
		eachAttribute(body, func(kind uint16, data []byte) {
			switch kind {
			case tableAttribute:
				of = textOf(data)
			case nameAttribute:
				name = textOf(data)
			}
		})
		if of == table {
			do(name)
		}
	}
}

func (now *state) noteRule(table string) func([]byte) {
	return func(body []byte) {
		of, chain, tag := "", "", "?"
		eachAttribute(body, func(kind uint16, data []byte) {
			switch kind {
			case unix.NFTA_RULE_TABLE:
				of = textOf(data)
			case unix.NFTA_RULE_CHAIN:
				chain = textOf(data)
			case unix.NFTA_RULE_USERDATA:
				if len(data) > 2 {
					tag = textOf(data[2:])
				}
			}
		})
		if of == table {
			now.chains[chain] += tag
		}
	}
}

func (s *socket) listElements(family byte, table, set string) (list []element, err error) {
	err = s.dump(unix.NFT_MSG_GETSETELEM, family, func(b *batch) {
		b.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
		b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	}, func(body []byte) {
		eachAttribute(body, func(kind uint16, data []byte) {
			if kind == unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				eachAttribute(data, func(_ uint16, data []byte) { list = append(list, readElement(data)) })
			}
		})
	})
	return list, err
}

func byKey(list []element) map[string]element {
	all := make(map[string]element, len(list))
	for _, e := range list {
		all[e.identity()] = e
	}
	return all
}

// sumOf stands for the elements of a set, in any order.
func sumOf(list []element) (sum uint64) {
	for i := range list {
		e := &list[i]
		h := uint64(14695981039346656037)
		for _, part := range []string{e.key, e.last, e.data} {
			for j := range len(part) {
				h = (h ^ uint64(part[j])) * 1099511628211
			}
			h = (h ^ uint64(len(part))) * 1099511628211
		}
		if e.ends {
			h = ^h
		}
		sum += h ^ h>>29
	}
	return sum
}

// identity tells elements of one set from each other.
func (e *element) identity() string {
	if e.ends {
		return e.key + "end"
	}
	return e.key + e.last
}

// isSame reports whether both lead to the same.
func (e *element) isSame(o element) bool {
	return e.key == o.key && e.last == o.last && e.ends == o.ends && e.data == o.data && e.chain == o.chain
}

func readElement(body []byte) (e element) {
	const keyEnd, expressions = 10, 0x11
	eachAttribute(body, func(kind uint16, data []byte) {
		switch kind {
		case unix.NFTA_SET_ELEM_KEY:
			e.key = valueOf(data)
		case keyEnd:
			e.last = valueOf(data)
		case unix.NFTA_SET_ELEM_FLAGS:
			e.ends = len(data) == 4 && binary.BigEndian.Uint32(data)&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_DATA:
			e.data = valueOf(data)
			eachAttribute(data, func(kind uint16, data []byte) {
				if kind == unix.NFTA_DATA_VERDICT {
					e.chain = chainOf(data)
				}
			})
		case unix.NFTA_SET_ELEM_EXPR:
			e.counted = counterOf(data)
		case expressions:
			eachAttribute(data, func(_ uint16, data []byte) { e.counted = counterOf(data) })
		}
	})
	return e
}

func valueOf(data []byte) (value string) {
	eachAttribute(data, func(kind uint16, data []byte) {
		if kind == unix.NFTA_DATA_VALUE {
			value = string(data)
		}
	})
	return value
}

func chainOf(verdict []byte) (name string) {
	eachAttribute(verdict, func(kind uint16, data []byte) {
		if kind == unix.NFTA_VERDICT_CHAIN {
			name = textOf(data)
		}
	})
	return name
}

func counterOf(expression []byte) (c Counter) {
	eachAttribute(expression, func(kind uint16, data []byte) {
		if kind != unix.NFTA_EXPR_DATA {
			return
		}
		eachAttribute(data, func(kind uint16, data []byte) {
			switch {
			case len(data) != 8:
			case kind == unix.NFTA_COUNTER_PACKETS:
				c.Packets = binary.BigEndian.Uint64(data)
			case kind == unix.NFTA_COUNTER_BYTES:
				c.Bytes = binary.BigEndian.Uint64(data)
			}
		})
	})
	return c
}

func textOf(data []byte) string {
	for i, c := range data {
		if c == 0 {
			return string(data[:i])
		}
	}
	return string(data)
}

// tableHeads lists the tables that there are, with their comments.
func (s *socket) tableHeads() (list []tableHead, err error) {
	for _, family := range []byte{unix.NFPROTO_INET, unix.NFPROTO_NETDEV} {
		err = errors.Join(err, s.dump(unix.NFT_MSG_GETTABLE, family, nil, func(body []byte) {
			const userdata = 6
			h := tableHead{family: family}
			eachAttribute(body, func(kind uint16, data []byte) {
				switch {
				case kind == unix.NFTA_TABLE_NAME:
					h.name = textOf(data)
				case kind == userdata && len(data) > 2:
					h.comment = textOf(data[2:])
				}
			})
			list = append(list, h)
		}))
	}
	return list, err
}

type tableHead struct {
	family        byte
	name, comment string
}
