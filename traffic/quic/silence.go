package quic

import (
	"time"

	"github.com/weir-proxy/weir/wire/http3"
)

// This file finds servers that are not there any more, though somebody listens on their port: a process that was killed and started anew knows nothing of its connections,
// and unless it shares a key with the one before (RFC 9000 section 10.3) says nothing about them either. QUIC learns that by silenceMost alone.

const (
	// silentAfter is how long a server may send nothing at all after a request, which it has to acknowledge within a round trip and its max_ack_delay (RFC 9000 section 13.2.1), while QUIC
	// sends probes. Then it gets no further request on the connection. Where it is only slow, or packets are lost, that costs another connection.
	silentAfter = 3 * time.Second

	// doubtedFor is how long after another connection stands a silent one is given up: what has arrived meanwhile is noticed first.
	doubtedFor = time.Second
)

// sentLeast is how many packets have to be without an answer. One may be QUIC's keep-alive of a moment ago; where something waits to be acknowledged, probes follow.
const sentLeast = 2

// silence is what was known when it was looked last whether the server still sends something. Owned by the loop.
type silence struct {
	since          int64 // ms: the first look with so many packets received; 0: there was none
	received, sent uint64
}

// noteAsked looks, before a request is sent, whether something has come since the last look.
func (c *Conn) noteAsked() {
	c.look()
	c.watch(silentAfter)
}

func (c *Conn) look() {
	stats := c.raw.ConnectionStats()
	if q := &c.silence; q.since == 0 || stats.PacketsReceived != q.received {
		*q = silence{c.loop.Now(), stats.PacketsReceived, stats.PacketsSent}
	}
}

// Silencer is an Owner that is told, on the loop, that the server is silent while requests wait. It may see whether the server answers on another connection.
type Silencer interface{ Silent() }

// watch sets the alarm by which the server is found silent where no further request comes. It is set once for many.
func (c *Conn) watch(d time.Duration) {
	if !c.isWatched {
		c.isWatched = true
		c.watching.Set(c.loop, d, (*watched)(c))
	}
}

// watched is a connection whose alarm has gone off.
type watched Conn

// Run tells the owner, if the server is silent, and again as long as it is.
func (w *watched) Run() {
	c := (*Conn)(w)
	c.isWatched = false
	if c.ended || c.running == 0 {
		return
	}
	if c.isSilent() {
		if o, is := c.owner.(Silencer); is {
			o.Silent()
		}
	}
	c.look()
	left := silentAfter - time.Duration(c.loop.Now()-c.silence.since)*time.Millisecond
	if left <= 0 {
		left = silentAfter
	}
	c.watch(left)
}

// isSilent reports whether the server has sent nothing for silentAfter, although it was sent something that it has to acknowledge.
func (c *Conn) isSilent() bool {
	q := &c.silence
	if q.since == 0 || c.loop.Now()-q.since < silentAfter.Milliseconds() {
		return false
	}
	stats := c.raw.ConnectionStats()
	return stats.PacketsReceived == q.received && stats.PacketsSent >= q.sent+sentLeast
}

// Doubt gives the connection up in a moment, if its server is silent and stays so. It is called when another connection to the server stands: server and network are well, and
// what waits here waits in vain.
func (c *Conn) Doubt() {
	if !c.isDoubted && !c.ended && c.isSilent() {
		c.isDoubted = true
		c.doubting.Set(c.loop, doubtedFor, (*doubted)(c))
	}
}

// doubted is a connection whose alarm has gone off.
type doubted Conn

// Run closes it, unless something has come meanwhile.
func (d *doubted) Run() {
	c := (*Conn)(d)
	c.isDoubted = false
	if !c.ended && c.isSilent() {
		c.fail(http3.NoError, "")
	}
}
