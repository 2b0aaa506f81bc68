package flow

import (
	"hash/maphash"
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// told is who another proxy says that a flow is with. The zero value: nobody says anything.
type told struct {
	proxy netip.AddrPort // which gets the replies
	to    netip.AddrPort // where the client wanted to go; invalid: the proxy does not say
}

// markOf tells proxies apart in the key of a flow: clients of two of them may have one address, as private networks have, and what is for one must not go to the other. Two proxies
// have one mark once in four thousand million times, and nobody can choose to.
func (t *table) markOf(proxy netip.AddrPort) uint32 {
	return uint32(maphash.Comparable(t.marks, proxy)) | 1
}

// unwrap takes datagrams of which each begins with a header of the PROXY protocol, if it comes from a proxy that is to send one. One without is dropped: to
// guess would let anybody who gets there choose an address. There is no datagram form of version 1.
func (t *table) unwrap(setup *Setup, packets []engine.Packet) {
	var f *Flow
	for i := range packets {
		p := &packets[i]
		if !setup.Proxies.Contains(p.From.Addr()) {
			f = t.take(setup, f, client{p.From, p.Local, p.Port, 0}, p)
			continue
		}
		segment := p.Segment
		if segment <= 0 {
			segment = max(1, len(p.Data))
		}
		for rest := p.Data; ; {
			datagram := rest[:min(segment, len(rest))]
			f = t.unwrapOne(setup, f, p, datagram)
			if rest = rest[len(datagram):]; len(rest) == 0 {
				break
			}
		}
	}
}

func (t *table) unwrapOne(setup *Setup, f *Flow, p *engine.Packet, datagram []byte) *Flow {
	h, n, err := proxyproto.Parse(datagram)
	if err != nil || n == 0 || h.Version != 2 {
		t.at.Reasons[reason.ProxyMalformed]++
		t.logMalformed(setup, p, len(datagram), err)
		return f
	}
	who := client{p.From, p.Local, p.Port, t.markOf(p.From)}
	t.told = told{proxy: p.From}
	if !h.IsLocal {
		who.from, t.told.to = h.Source, h.Destination
	}
	if known := t.known[who]; known != nil && known.told.proxy != p.From { // of another proxy with the same mark
		known.end(reason.FlowEvicted)
	}
	inner := *p
	inner.Data, inner.Segment = datagram[n:], 0
	f = t.take(setup, f, who, &inner)
	t.told = told{}
	return f
}

// malformedEvery is the time between two records of a loop about datagrams without a right header: a proxy that is set up wrongly sends nothing else, and each is counted.
const malformedEvery = 1000 // ms

// logMalformed puts a record of a datagram without a right header into the loop's ring, unless there was one a moment ago. Its client is not known: it is the proxy's.
func (t *table) logMalformed(setup *Setup, p *engine.Packet, size int, err error) {
	at := t.at
	if setup.Log == nil || at.malformedAt != 0 && at.loop.Now()-at.malformedAt < malformedEvery || !setup.Log.Takes(0, reason.ProxyMalformed, 0) {
		return
	}
	at.malformedAt = at.loop.Now()
	detail := "a datagram without a header of version 2"
	if err != nil {
		detail = err.Error()
	}
	at.put(at.loop.Micros(), &accesslog.Record{Protocol: accesslog.UDP, Client: p.From.Addr(), Peer: p.From.Addr(), PeerPort: p.From.Port(),
		Reason: reason.ProxyMalformed, Received: int64(size), Matched: -1, Connected: -1, Answered: -1, Route: []byte(setup.Listener), Detail: []byte(detail)})
}

// wrap makes what stands in front of each datagram for the server; nil where it is not told of the client.
func (f *Flow) wrap() {
	if f.to.Proxy == 0 {
		return
	}
	to := f.told.to
	if !to.IsValid() {
		to = f.calledAt()
	}
	h := proxyproto.Header{Source: f.client.from, Destination: to, IsDatagram: true}
	f.head = proxyproto.AppendV2(nil, &h)
}

// calledAt is the address that the client sends to: where it was captured from, or the listener's.
func (f *Flow) calledAt() netip.AddrPort {
	own := f.by.LocalAddr()
	ip, port := f.client.local, f.client.port
	if !ip.IsValid() {
		ip = own.Addr()
	}
	if port == 0 {
		port = own.Port()
	}
	return netip.AddrPortFrom(ip, port)
}

// peer is who gets the replies.
func (f *Flow) peer() netip.AddrPort {
	if f.told.proxy.IsValid() {
		return f.told.proxy
	}
	return f.client.from
}
