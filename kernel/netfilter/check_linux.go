package netfilter

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Check reports why this machine's kernel would refuse services and rules: it has the kernel prepare the transactions that Apply would make in an empty namespace, and abort them,
// so that nothing changes. Who may not change the kernel's tables gets fs.ErrPermission.
func Check(services []Service, r *Rules) error {
	s, err := openSocket()
	if err != nil {
		return explain(err)
	}
	defer s.close()
	name := fmt.Sprintf("weir-%d-check", os.Getpid())
	if !r.IsEmpty() {
		t := Table{socket: s, name: name, batch: newBatch(unix.NFPROTO_INET, name)}
		t.batch.addTable(true, "")
		t.write(r)
		if err := s.rehearse(t.batch); err != nil {
			return explain(err)
		}
	}
	if len(services) == 0 {
		return nil
	}
	f := &Forwarding{socket: s, tables: map[tableKey]*forwardTable{}, kept: KeptPrefix + name}
	next, err := f.lay(services, nil)
	if err != nil {
		return err
	}
	b := newBatch(unix.NFPROTO_INET, "")
	for _, p := range next {
		p.table.have = newState()
		b.family, b.table = p.table.family, p.table.name
		p.table.change(b, p.wanted, "")
	}
	return explain(s.rehearse(b))
}
