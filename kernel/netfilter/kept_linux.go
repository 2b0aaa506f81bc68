package netfilter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

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
		k := Kept{Table: h.name, Kept: name, Config: h.comment, Used: usersOf(heads, h.comment)}
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
