package engine

import (
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// This file counts descriptors and makes room when they run short. Accepting stops when Engine.connsMost are in use. Shortly before that, the loops end the connections that their clients and
// weir can best do without, so that new clients get in. Tunnels and flows may take only a part of the descriptors, so that there are always some for HTTP.

// Rank says how easily a connection can be done without. The lowest goes first.
type Rank uint8

const (
	RankUnconfirmed Rank = iota // datagrams of a client that may not exist
	RankIdle                    // no request in progress
	RankBeginning               // it has not sent its first message, TLS handshake or request head whole
	RankStalled                 // a request body of which nothing comes
)

// Spare is a connection that could be ended to make room.
type Spare struct {
	Rank  Rank
	Peer  netip.Addr
	Since int64 // ms of the loop's clock: when something last came
	Owner interface {
		// MakeRoom ends the connection, or has it end soon; false if it has become useful meanwhile. On its loop, outside of any coroutine.
		MakeRoom() bool
	}
}

// SpareAfter is how long, in ms, a client that has begun to send something is waited for before its connection counts as spare: its next packet may have been lost.
const SpareAfter = 1000

// idlePatience is SpareAfter for a client that has its answer and nothing else under way: it loses a connection, and another one is as good.
const idlePatience = 100

// patience is SpareAfter by rank.
var patience = [...]int64{RankUnconfirmed: SpareAfter, RankIdle: idlePatience, RankBeginning: SpareAfter, RankStalled: 5 * SpareAfter}

// A client that has so many connections listed is heavy: its patience is a fifth.
const (
	heavyFrom     = 32
	heavyPatience = 5
)

// roomEvery is how often, in ms, connections are looked through for spare ones.
const roomEvery = 50

// Share is a use of descriptors that may take only a part of them.
type Share uint8

const (
	ShareTunnels Share = iota // connections at layer 4 with their servers, and data connections of FTP
	ShareFlows
	shares
)

// room is what the loops of an engine share about descriptors.
type room struct {
	at      atomic.Int64 // ms: when room was last made
	claimed [shares]atomic.Int64
}

// Claim takes n descriptors for a use that may have only a part of them: layer 4 as a whole has three quarters, flows have half. Where it says false, the caller makes room itself or refuses.
// It costs an atomic addition for a connection, and nothing for a request.
func (l *Loop) Claim(of Share, n int64) bool {
	e := l.engine
	most := e.connsMost * 3 / 4
	if of == ShareFlows {
		most = e.connsMost / 2
	}
	mine := e.room.claimed[of].Add(n)
	if mine > most || mine+e.room.claimed[shares-1-of].Load() > e.connsMost*3/4 {
		e.room.claimed[of].Add(-n)
		return false
	}
	return true
}

// Unclaim gives back what Claim took.
func (l *Loop) Unclaim(of Share, n int64) { l.engine.room.claimed[of].Add(-n) }

// HoldDescriptors counts n more descriptors that are held besides connections, such as files; a negative n counts as many less.
func (l *Loop) HoldDescriptors(n int) {
	l.others += int64(n)
	l.saysOpen()
}

// DescriptorsMost is how many descriptors may be in use, by all loops.
func (e *Engine) DescriptorsMost() int64 { return e.connsMost }

// saysOpen lets other loops know how many descriptors this one holds.
func (l *Loop) saysOpen() { l.openSeen.Store(l.Stats.Open + l.others) }

// OnShort has f list connections that the loop could do without, whenever descriptors run short.
func (l *Loop) OnShort(f func(list []Spare) []Spare) { l.spares = append(l.spares, f) }

// hasRoom reports whether one more descriptor may be taken for a client. Where few are left it has all loops make room.
func (e *Engine) hasRoom() bool {
	open := e.Open()
	if open >= e.connsMost-e.connsMost/16 {
		e.makeRoom(open)
	}
	return open < e.connsMost
}

// makeRoom has every loop end its part of what exceeds seven eighths.
func (e *Engine) makeRoom(open int64) {
	now, last := e.loops[0].clock(), e.room.at.Load()
	if now-last < roomEvery || !e.room.at.CompareAndSwap(last, now) {
		return
	}
	excess := open - e.connsMost*7/8
	for _, l := range e.loops {
		n := (excess*l.openSeen.Load() + open - 1) / open
		l.Post(func() {
			kept := l.closeKept(int(n), l.now-SpareAfter)
			l.Stats.MadeRoom += uint64(kept)
			n -= int64(kept)
			list := l.beginnings(nil)
			for _, f := range l.spares {
				list = f(list)
			}
			l.EndSpares(list, int(n))
		})
	}
}

// Keeper has connections to servers that wait for work.
type Keeper interface {
	// CloseOldest closes the connection that has waited longest, if that is since a time of the loop's clock, in ms; false: there is none.
	CloseOldest(since int64) bool
	// Waiting is how many wait.
	Waiting() int
	// Dropped says that the loop does not know the keeper any more.
	Dropped()
}

// Keeps makes a keeper known, whose connections are closed when descriptors run short. Trim drops those that have none, and so does running short.
func (l *Loop) Keeps(k Keeper) { l.keepers = append(l.keepers, k) }

// closeKept closes up to n connections that have waited for work since a time, one of each keeper after the other, and says how many it was.
func (l *Loop) closeKept(n int, since int64) (closed int) {
	for isAny := true; isAny && closed < n; {
		isAny = false
		for _, k := range l.keepers {
			if closed < n && k.CloseOldest(since) {
				closed++
				isAny = true
			}
		}
	}
	l.dropKeepers()
	return closed
}

// dropKeepers forgets keepers that have nothing.
func (l *Loop) dropKeepers() {
	l.keepers = slices.DeleteFunc(l.keepers, func(k Keeper) bool {
		if k.Waiting() > 0 {
			return false
		}
		k.Dropped()
		return true
	})
}

// dialsMost is how many connections a loop begins to open in one turn. When many ports towards a server are taken, the system looks for a free one for up to a
// millisecond, and everybody else on the loop waits.
const dialsMost = 64

// mayDial reports whether one more descriptor may be taken for a connection to a server. Servers may have three quarters, so that clients which ask much at once lock no others out, and
// of that a sixth is for peers that have little under way.
func (l *Loop) mayDial(heavy bool) bool {
	e, open := l.engine, l.engine.Open()
	servers := e.connsMost * 3 / 4
	if heavy {
		servers = e.connsMost * 5 / 8
	}
	return open < servers || open < e.dialMost && open-e.clients() < servers
}

// clients is how many connections of clients there are.
func (e *Engine) clients() (n int64) {
	for _, l := range e.loops {
		n += l.accepted.Load()
	}
	return n
}

// dialAgain is how often the dial that has waited longest for a descriptor looks whether there is one.
const dialAgain = 10 * time.Millisecond

// awaitDescriptor waits until a connection to a server may be opened, for at most so long and behind those that wait already; a connection to another server that waits for work is
// closed for it.
func (l *Loop) awaitDescriptor(timeout time.Duration, heavy bool, givenUp *bool) error {
	line := &l.wanting[0]
	if heavy {
		line = &l.wanting[1]
	}
	if len(*line) == 0 && l.mayDial(heavy) {
		return nil
	}
	mine, by := &Signal{}, l.now+timeout.Milliseconds()
	*line = append(*line, mine)
	defer func() {
		*line = slices.DeleteFunc(*line, func(s *Signal) bool { return s == mine })
		if len(*line) > 0 {
			l.Fire((*line)[0])
		}
	}()
	for {
		switch isFirst := (*line)[0] == mine; {
		case givenUp != nil && *givenUp:
			return ErrInterrupted
		case isFirst && l.dials < dialsMost && (l.mayDial(heavy) || l.closeKept(1, l.now) > 0 && l.mayDial(heavy)):
			l.dials++ // in a later turn than the one whose dial this was
			return nil
		case l.now >= by:
			return os.NewSyscallError("socket", syscall.EMFILE)
		case isFirst:
			l.askForDescriptor()
			l.Sleep(dialAgain)
		default:
			l.Wait(mine, time.Duration(by-l.now)*time.Millisecond)
		}
	}
}

// HoldForDial waits as Dial does until there is a descriptor for a connection to a server that is not the engine's own, and holds it: HoldDescriptors(-1) gives it back. options are those of Dial;
// the error is ErrInterrupted where the dial was given up.
func (l *Loop) HoldForDial(options DialOptions) error {
	if l.portable == nil {
		if err := l.awaitDescriptor(options.Timeout, options.Heavy, options.GivenUp); err != nil {
			return err
		}
	}
	l.HoldDescriptors(1)
	return nil
}

// askForDescriptor has other loops close a connection to a server that waits for work, and all make room.
func (l *Loop) askForDescriptor() {
	for _, other := range l.engine.loops {
		if other != l {
			other.Post(func() { other.closeKept(1, other.now) })
		}
	}
	l.engine.makeRoom(l.engine.Open())
}

// EndSpares ends up to n of the connections, and says how many it was. Those that have been silent for a moment only are left. The lowest rank goes first. Within a rank, clients with many connections go before those with few, by powers of two, and
// of equals those that have been silent longest. On the loop, outside of any coroutine but the caller's.
func (l *Loop) EndSpares(list []Spare, n int) (ended int) {
	many := map[netip.Addr]int{}
	for i := range list {
		list[i].Peer = Network(list[i].Peer)
		many[list[i].Peer]++
	}
	weight := func(s *Spare) int {
		w := 0
		for k := many[s.Peer]; k > 1; k /= 2 {
			w++
		}
		return w
	}
	list = slices.DeleteFunc(list, func(s Spare) bool {
		after := patience[s.Rank]
		if many[s.Peer] >= heavyFrom {
			after /= heavyPatience
		}
		return l.Now()-s.Since < after
	})
	slices.SortStableFunc(list, func(a, b Spare) int {
		if a.Rank != b.Rank {
			return int(a.Rank) - int(b.Rank)
		}
		if a, b := weight(&a), weight(&b); a != b {
			return b - a
		}
		return int(a.Since - b.Since)
	})
	for _, s := range list {
		if ended >= n {
			break
		}
		if s.Owner.MakeRoom() {
			ended++
		}
	}
	l.Stats.MadeRoom += uint64(ended)
	return ended
}

// Closer is told of the end of a connection.
type Closer interface{ Closed(peer netip.Addr) }

// AtClose has w told when a bare connection is closed. Once per connection.
func AtClose(c Conn, w Closer) {
	if bare, ok := c.(interface{ atClose(w Closer) }); ok {
		bare.atClose(w)
		return
	}
	w.Closed(c.RemoteAddr().Addr())
}

// ClientsMost is how many descriptors may be in use when another client is accepted.
func (e *Engine) ClientsMost() int64 { return e.connsMost }

// Network is the address that a client counts as: of IPv6 the /64 network, which one client has to itself.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.Addr()
}
