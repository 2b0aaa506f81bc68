package netfilter

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RunningWith lists the processes that have told the kernel something for a configuration's file, besides this one. A table that a process owns is there for as long as the process is.
func RunningWith(config string) (pids []int, err error) {
	s, err := openSocket()
	if err != nil {
		return nil, explain(err)
	}
	defer s.close()
	heads, err := s.tableHeads()
	pids = slices.DeleteFunc(usersOf(heads, commentOf(config)), func(pid int) bool { return pid == os.Getpid() })
	return pids, explain(err)
}

// usersOf lists the processes that own tables with a comment: that is the file that they run with.
func usersOf(heads []tableHead, comment string) (pids []int) {
	for _, h := range heads {
		rest, isOurs := strings.CutPrefix(h.name, keptPrefix)
		digits, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(digits)
		if isOurs && err == nil && h.comment == comment && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Inspect says what is missing of a table, or is not as weir has written it.
func Inspect(e Expected) (missing []string, err error) {
	s, err := openSocket()
	if err != nil {
		return nil, explain(err)
	}
	defer s.close()
	f := Forwarding{socket: s, kept: e.Kept}
	t := f.newTable(tableKey{e.Device, e.Kept != ""})
	if e.Kept == "" {
		t.name = strings.Replace(t.name, strconv.Itoa(os.Getpid()), strconv.Itoa(e.PID), 1)
	}
	have, isThere, err := s.read(t.family, t.name)
	if err != nil {
		return nil, explain(err)
	}
	if !isThere {
		return []string{"table " + t.name}, nil
	}
	base, err := e.base(have.canRefuseEnded())
	if err != nil {
		return nil, err
	}
	for _, name := range base.chainNames() {
		if now, is := have.chains[name]; !is {
			missing = append(missing, fmt.Sprintf("chain %s of table %s", name, t.name))
		} else if now != base.chains[name].tags() {
			missing = append(missing, fmt.Sprintf("rules of chain %s of table %s", name, t.name))
		}
	}
	for _, name := range base.setNames() {
		if !have.sets[name] {
			missing = append(missing, fmt.Sprintf("set %s of table %s", name, t.name))
		}
	}
	takes, err := s.listens(t.family, t.name)
	if err != nil {
		return nil, explain(err)
	}
	for _, at := range e.Addresses {
		if !slices.Contains(takes, at) {
			missing = append(missing, fmt.Sprintf("%v in table %s", at, t.name))
		}
	}
	return missing, nil
}

// canRefuseEnded reports whether the table has, or had, what refuses connections that weir has ended: it is added when the first one is ended, and only the process that did so knows
// that. One part of it that is left says that the others have to be there too.
func (s *state) canRefuseEnded() bool {
	_, has := s.chains[endedChain]
	for _, f := range families() {
		has = has || s.sets[endedSet+f.suffix]
	}
	return has
}

// base is what the table has whatever its services are. ends: it can refuse connections that were ended.
func (e *Expected) base(ends bool) (*layout, error) {
	if e.Device == "" {
		return layNAT(nil, nil, ends), nil
	}
	link, err := net.InterfaceByName(e.Device)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", e.Device, err)
	}
	return layDirect(nil, link, nil, ends, false), nil
}

// listens lists the addresses that a table takes traffic for.
func (s *socket) listens(family byte, table string) (list []Listen, err error) {
	have := map[string]bool{}
	err = s.dump(unix.NFT_MSG_GETSET, family, func(b *batch) { b.text(unix.NFTA_SET_TABLE, table) },
		eachNamed(table, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, func(name string) { have[name] = true }))
	for _, set := range listenSets() {
		if err != nil || !have[set.name] {
			continue
		}
		var elements []element
		elements, err = s.listElements(family, table, set.name)
		for i := range elements {
			list = append(list, set.listen(&elements[i]))
		}
	}
	return list, err
}
