package flow

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// MoveTo has the flows of a loop go on with another listener, which takes the datagrams for their own address from now on; by is its socket there, and local what it calls that
// address. On that loop.
func (h *Flows) MoveTo(loop int, to *Flows, by *engine.PacketSocket, local netip.Addr) {
	from, into := h.tables[loop], to.tables[loop]
	if from == nil || into == nil {
		return
	}
	for f := from.fresh.oldest; f != nil; f = from.fresh.oldest {
		f.moveTo(into, &into.fresh, by, local)
	}
	for f := from.confirmed.oldest; f != nil; f = from.confirmed.oldest {
		f.moveTo(into, &into.confirmed, by, local)
	}
}

func (f *Flow) moveTo(t *table, in *list, by *engine.PacketSocket, local netip.Addr) {
	who := f.client
	if !who.local.IsValid() {
		who.local = local
	}
	if f.told.proxy.IsValid() {
		who.proxy = t.markOf(f.told.proxy)
	}
	if other := t.known[who]; other != nil {
		// The listener came back with it, and the client has gone on with this one since, or the other way round.
		if other.last > f.last {
			f.end(reason.FlowEvicted)
			return
		}
		other.end(reason.FlowEvicted)
	}
	f.in.remove(f)
	delete(f.table.known, f.client)
	f.table, f.client, f.by = t, who, by
	t.put(f, in)
}
