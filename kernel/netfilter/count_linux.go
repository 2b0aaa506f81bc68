package netfilter

import (
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Count is what the kernel has counted so far, by service and server; see Key. A server that leaves and comes back goes on counting.
func (f *Forwarding) Count() (map[string]Counted, error) {
	all := map[string]Counted{}
	for _, t := range f.tables {
		counters, err := t.counters()
		if err != nil {
			return nil, explain(err)
		}
		for _, c := range counters {
			what, who, _ := strings.Cut(c.Name, " ")
			n := all[who]
			switch what {
			case counts:
				n.Connections += c.Packets
			case countsSent:
				n.Sent += c.Bytes
			case countsReceived:
				n.Received += c.Bytes
			}
			all[who] = n
		}
	}
	return all, nil
}

func (t *forwardTable) counters() (list []*nftables.CounterObj, err error) {
	objects, err := t.conn.GetObjects(t.table)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if c, ok := o.(*nftables.CounterObj); ok {
			list = append(list, c)
		}
	}
	return list, nil
}

// counter is what counts in a rule; it outlives the rule.
func (t *forwardTable) counter(what string, s *Service, server *Server) expr.Any {
	name := what + " " + Key(s.Name, server.Name)
	t.conn.AddObj(&nftables.CounterObj{Table: t.table, Name: name})
	t.counted[name] = true
	return &expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: name}
}

// countersMost bounds those that are left of servers that are gone for good.
const countersMost = 4096

// dropCounters removes those that no rule has any more, once they are many.
func (t *forwardTable) dropCounters(all []*nftables.CounterObj) {
	if len(all) < countersMost {
		return
	}
	for _, c := range all {
		if !t.counted[c.Name] {
			t.conn.DeleteObject(c)
		}
	}
}
