package lifecycle

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// copyLayer4 sums up what a loop counted of tunnels and flows. On that loop.
func (g *gathering) copyLayer4(l *engine.Loop) {
	s, t := g.daemon.tunnels.Stats(l.Index), &g.tunnels
	t.Open += s.Open
	t.Accepted += s.Accepted
	t.ReceivedBytes += s.Received
	t.SentBytes += s.Sent
	t.Retries += s.Retries
	t.LogDrops += s.LogDrops
	count(t.Reasons, &s.Reasons)

	f, to := g.daemon.flows.Stats(l.Index), &g.flows
	to.Open += f.Open
	to.Opened += f.Opened
	to.ReceivedBytes += f.Received
	to.SentBytes += f.Sent
	to.ReceivedDatagrams += f.ReceivedPackets
	to.SentDatagrams += f.SentPackets
	to.Withheld += f.Withheld
	to.Dropped += l.Stats.Packets.Dropped
	to.LogDrops += f.LogDrops
	count(to.Reasons, &f.Reasons)
}

func count(into map[string]uint64, reasons *[reason.Count]uint64) {
	for r, n := range reasons {
		if n > 0 {
			into[reason.Reason(r).String()] += n
		}
	}
}
