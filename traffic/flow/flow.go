package flow

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// Flow is the datagrams between a client and a server. Owned by its loop.
type Flow struct {
	table    *table
	setup    *Setup // it began under, whatever is swapped meanwhile
	client   client
	told     told              // by a proxy in front
	head     []byte            // in front of each datagram for the server; may be nil
	to       *site.Destination // the setup's, or one that stands in for it
	server   *pool.Server
	held     pool.Held
	socket   *engine.PacketSocket // connected to the server
	by       *engine.PacketSocket // the listener's
	answers  *engine.PacketSocket // connected to a captured client, from where it wanted to go; nil: it is answered by the listener's
	begun    int64                // microseconds
	asked    int64                // microseconds: the last datagram from the client before the first reply
	last     int64                // ms: the last datagram, to within touchEvery
	received uint64               // bytes from the client
	credit   uint64               // bytes that the client may get before it has confirmed its address
	sent     uint64               // bytes to the client
	owed     int                  // replies that pass whatever their size: one for each datagram of the client
	withheld bool                 // replies were kept from the client
	awaited  int                  // replies, with Setup.Replies
	since    int64                // ms: when the first of them was asked for
	replies  uint64               // datagrams
	hasEnded bool

	in           *list
	older, newer *Flow
}

// open finds a server.
func (f *Flow) open() reason.Reason {
	l := f.table.at.loop
	f.to = f.setup.To
	s, why := f.admit()
	for s == nil && attempt.FallsBack(f.to, why) {
		f.to.Loops[l.Index].FellBack++
		f.to = f.to.Fallback
		s, why = f.admit()
	}
	if s == nil {
		return attempt.NoServer(why)
	}
	f.to.Loops[l.Index].Clients++
	to := s.Address.AddrPort
	if to.Port() == 0 {
		to = s.Address.At(f.calledAt().Port())
	}
	socket, err := l.DialPackets(to, f.dialing(s.Address.AddrPort.Addr()), f)
	if err == nil && f.isCaptured() {
		f.answers, err = l.DialPackets(f.client.from, engine.PacketDial{Source: f.client.to(), Spoof: true}, f)
		if err != nil {
			socket.Close()
		}
	}
	if err != nil {
		why, outcome := attempt.Failure(err)
		f.to.Pool.End(s, l.Index, l.Now(), 0, outcome)
		attempt.Settle(l, f.to.Pool, s, &f.held)
		return why
	}
	f.server, f.socket = s, socket
	f.wrap()
	s.Load(l.Index).ConnectionsOpened++
	return reason.Done
}

// isCaptured reports whether the client wanted to go elsewhere.
func (f *Flow) isCaptured() bool {
	return f.setup.CapturedAt != 0 && f.client.port != 0 && f.client.port != f.setup.CapturedAt
}

// dialing is the address from which the server is asked.
func (f *Flow) dialing(server netip.Addr) engine.PacketDial {
	t := f.to.Transport
	if client := t.Spoofed(f.client.from.Addr(), server); client.IsValid() {
		return engine.PacketDial{Source: netip.AddrPortFrom(client, 0), Spoof: true}
	}
	if n := len(t.Sources); n > 0 {
		return engine.PacketDial{Source: netip.AddrPortFrom(t.Sources[int(f.client.from.Port())%n], 0)}
	}
	return engine.PacketDial{}
}

// admit chooses a server that has room: the one that the client stays with, or any.
func (f *Flow) admit() (*pool.Server, pool.Reason) {
	l, p := f.table.at.loop, f.to.Pool
	ip := f.client.from.Addr().As16()
	key := pool.Key(ip[:])
	if p.IsOriginal() {
		return attempt.ToOriginal(l, p, f.client.to(), f.setup.CapturedAt)
	}
	admit := p.AdmitLasting
	if f.setup.Replies > 0 {
		admit = p.Admit
	}
	stay := f.setup.Persistence
	if stay == nil || f.to != f.setup.To {
		return admit(l.Index, l.Now(), key, nil, false, &f.held)
	}
	mine, set := &f.to.Loops[l.Index], p.Set()
	s, isKnown := stay.ByKey(set, key, l.Now())
	if s != nil && s.Health() != pool.Down && !s.IsEjected(l.Now()) && set.State(s) != pool.Disabled {
		mine.Kept++
		return p.AdmitTo(l.Index, s, false, &f.held)
	}
	if isKnown {
		mine.Lost++
		if stay.Lost == persistence.LostClose {
			stay.Forget(key)
			return nil, pool.AllDown
		}
	}
	s, why := admit(l.Index, l.Now(), key, nil, false, &f.held)
	if s == nil {
		return s, why
	}
	mine.Placed++
	if isKnown {
		stay.Keep(set, key, s, l.Now())
		return s, why
	}
	if other := stay.Claim(set, key, s, l.Now()); other != s { // another loop has placed the client meanwhile
		p.End(s, l.Index, l.Now(), 0, pool.Cancelled)
		attempt.Settle(l, p, s, &f.held)
		return p.AdmitTo(l.Index, other, false, &f.held)
	}
	return s, why
}

// creditLeast is what a datagram of a client counts as at least: a question of 60 bytes may have an answer of 1,232, as in DNS (RFC 9715), or a
// first block of 516, as in TFTP.
const creditLeast = 512

// up takes a packet from the client.
func (f *Flow) up(p *engine.Packet) {
	n, count := uint64(len(p.Data)), p.Count()
	f.received += n
	if f.replies > 0 && f.in == &f.table.fresh && f.setup.Replies == 0 {
		// It has had a reply, and goes on: the address is its own.
		f.table.fresh.remove(f)
		f.table.confirmed.add(f)
	}
	if f.setup.Amplify > 0 {
		f.credit += uint64(f.setup.Amplify) * max(n, uint64(count)*creditLeast)
	}
	if f.awaited <= 0 {
		f.since = f.table.at.loop.Now()
	}
	f.owed += count
	f.awaited += f.setup.Replies * count
	f.touch()
	if f.replies == 0 {
		f.asked = f.table.at.loop.Micros()
	}
	f.server.Load(f.table.at.loop.Index).BytesSent += n
	if f.head != nil {
		f.socket.SendBehind(f.head, p.Data, p.Segment)
		return
	}
	f.socket.Send(netip.AddrPort{}, netip.Addr{}, p.Data, p.Segment)
}

// Packets takes what the server sends, and what a captured client goes on to send. Others cannot send to a connected socket.
func (f *Flow) Packets(s *engine.PacketSocket, packets []engine.Packet) {
	at := f.table.at
	if s == f.answers {
		f.goOn(packets)
		return
	}
	load := f.server.Load(at.loop.Index)
	if f.replies == 0 {
		f.to.Pool.Reached(f.server, at.loop.Index, at.loop.Now(), at.loop.Micros()-f.asked)
	}
	f.touch()
	for i := range packets {
		p := &packets[i]
		n, count := uint64(len(p.Data)), p.Count()
		load.BytesReceived += n
		f.replies += uint64(count)
		f.awaited -= count
		if f.isTooMuch(n, count) {
			at.Withheld += uint64(count)
			f.withheld = true
			continue
		}
		f.sent += n
		at.Sent += n
		at.SentPackets += uint64(count)
		f.answer(p)
	}
	if f.setup.Replies > 0 && f.awaited <= 0 {
		f.end(reason.Done)
	}
}

// mustMove reports whether the next datagram belongs to another server, and why this flow ends: its server has left the pool, is down or disabled, or has owed a reply for
// so long that it gives none. Else a client that goes on asking would never be heard.
func (f *Flow) mustMove() (reason.Reason, bool) {
	p := f.to.Pool
	switch {
	case f.server.IsGone():
		return reason.FlowServerGone, true
	case f.setup.Replies > 0 && f.awaited > 0 && f.table.at.loop.Now()-f.since >= f.setup.Idle.Milliseconds():
		return reason.FlowNoReply, true
	case p.IsOriginal():
		return 0, false
	}
	return reason.FlowServerGone, f.server.Health() == pool.Down || p.Set().State(f.server) == pool.Disabled
}

// isTooMuch reports whether a client that may be somebody else's address would get more than it may. A reply to each of its datagrams always passes, however large: a
// server that answers one question by one datagram amplifies as much without weir, and a DNS answer may have 4,096 bytes (RFC 6891 section 6.2.5) and more.
func (f *Flow) isTooMuch(n uint64, count int) bool {
	if f.in != &f.table.fresh || f.setup.Amplify == 0 {
		return false
	}
	if f.owed >= count {
		f.owed -= count
		return false
	}
	return f.sent+n > f.credit
}

func (f *Flow) answer(p *engine.Packet) {
	if f.answers != nil {
		f.answers.Send(netip.AddrPort{}, netip.Addr{}, p.Data, p.Segment)
		return
	}
	f.by.Send(f.peer(), f.client.local, p.Data, p.Segment)
}

// goOn takes what a captured client sends after its first datagrams: the system gives it to the socket that answers.
func (f *Flow) goOn(packets []engine.Packet) {
	at := f.table.at
	for i := range packets {
		p := &packets[i]
		if p.From != f.client.from || f.hasEnded { // before it was connected, others' may have come
			continue
		}
		at.Received += uint64(len(p.Data))
		at.ReceivedPackets += uint64(p.Count())
		if why, must := f.mustMove(); must {
			f.end(why)
			if f = f.table.begin(f.table.flows.setup.Load(), f.client); f == nil {
				return
			}
		}
		f.up(p)
	}
}

// Refused says that the server's machine, or the way to it, refuses.
func (f *Flow) Refused(s *engine.PacketSocket, _ error) {
	if s != f.answers { // a client that is gone has nothing to do with the server
		f.end(reason.FlowRefused)
	}
}

// touchEvery is how fine a flow's place among the others is.
const touchEvery = 100 // ms

func (f *Flow) touch() {
	now := f.table.at.loop.Now()
	if now-f.last < touchEvery {
		return
	}
	f.last = now
	in := f.in
	if in != nil && in.newest != f {
		in.remove(f)
		in.add(f)
	}
}

// silence is the reason of a flow that ends because nothing comes any more.
func (f *Flow) silence() reason.Reason {
	if f.setup.Replies > 0 && f.replies == 0 {
		return reason.FlowNoReply
	}
	return reason.FlowIdle
}

// end settles, counts and logs.
func (f *Flow) end(why reason.Reason) {
	if f.hasEnded {
		return
	}
	f.drop()
	if f.withheld && (why == reason.Done || why == reason.FlowIdle) {
		why = reason.FlowWithheld
	}
	t := f.table
	l := t.at.loop
	outcome := pool.OK
	switch why {
	case reason.FlowRefused:
		outcome = pool.ConnectFailed
	case reason.FlowNoReply:
		outcome = pool.Timeout
	case reason.FlowEvicted, reason.FlowWithheld, reason.Stopping, reason.FlowServerGone, reason.Ended:
		outcome = pool.Cancelled
	}
	f.to.Pool.Release(f.server, l.Index, l.Now(), outcome)
	attempt.Settle(l, f.to.Pool, f.server, &f.held)
	t.at.Reasons[why]++
	if log := f.setup.Log; log != nil && log.Takes(0, why, l.Micros()-f.begun) {
		f.log(why, f.to.Pool.Name, f.server.Name)
	}
}

// drop takes the flow out of its table and closes its sockets.
func (f *Flow) drop() {
	f.hasEnded = true
	f.table.at.loop.Unclaim(engine.ShareFlows, f.setup.descriptors())
	f.in.remove(f)
	delete(f.table.known, f.client)
	f.socket.Close()
	if f.answers != nil {
		f.answers.Close()
	}
	f.table.at.Open--
}

// log puts a record of the flow into the loop's ring.
func (f *Flow) log(why reason.Reason, pool, server string) {
	at := f.table.at
	text := func(i int, s string) []byte {
		at.scratch[i] = append(at.scratch[i][:0], s...)
		return at.scratch[i]
	}
	r := accesslog.Record{Protocol: accesslog.UDP, Client: f.client.from.Addr(), Peer: f.peer().Addr(), PeerPort: f.peer().Port(),
		Attempts: 1, Reason: why, Sent: int64(f.sent), Received: int64(f.received), Matched: -1, Connected: -1, Answered: -1,
		Ended: at.loop.Micros() - f.begun, Route: text(0, f.setup.Listener), Pool: text(1, pool), Server: text(2, server)}
	if f.isCaptured() {
		r.Dest = f.client.to()
	}
	at.put(f.begun, &r)
}

// put puts a record of what began at a time of the loop's clock, in µs, into the loop's ring.
func (p *perLoop) put(begun int64, r *accesslog.Record) {
	r.At = p.loop.Time(begun).UnixMicro()
	p.record = r.Append(p.record[:0])
	if !p.ring.Put(p.record) {
		p.LogDrops++
	}
}
