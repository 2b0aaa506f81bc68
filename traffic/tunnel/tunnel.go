package tunnel

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// Tunnel is a client's connection with the server's that it goes to. Owned by its loop; while nothing moves it is this struct and those two.
type Tunnel struct {
	relay
	home       *Tunnels
	at         *perLoop
	setup      *Setup // it began under, whatever is swapped meanwhile
	way        *Way
	to         *site.Destination // the way's, or one that stands in for it
	server     *pool.Server
	held       pool.Held
	conn       *transport.Conn
	session    *Session // with a Talker
	opening    *opening // while the server's connection is on its way
	name       string   // the server name of TLS, "" without
	begun      int64    // microseconds: the client's connection came
	connected  int64    // microseconds: the server's stood; 0: it never did
	ownPort    uint16   // of the connection to the server, for the log
	detail     string
	attempts   int
	isSecure   bool // TLS with the client ends here
	isSettled  bool
	hasClaim   bool // on two descriptors
	peer       netip.Addr
	client     engine.Conn
	next, prev *Tunnel // of the loop's list
}

// Opened is what the listener has learnt of a connection before it becomes a tunnel.
type Opened struct {
	Name     []byte // the server name that the client asked for; borrowed
	IsSecure bool   // TLS has ended here
	AsksTLS  bool   // the client has asked for TLS as PostgreSQL's do, and the server is to be asked for it
	TLVs     []byte // what servers are told by the PROXY protocol besides addresses; borrowed
}

// Serve has a connection tunnelled on the way; nil is none. It returns once the tunnel stands or the connection is closed.
func (h *Tunnels) Serve(c engine.Conn, way *Way, o Opened) {
	at, setup := h.driver.loops[c.Loop().Index], h.setup.Load()
	at.Accepted++
	t := &Tunnel{home: h, at: at, setup: setup, way: way, name: string(o.Name), isSecure: o.IsSecure, client: c, begun: at.loop.Micros(), peer: c.RemoteAddr().Addr()}
	h.link(t)
	if setup.CapturedAt != 0 {
		c.LocalAddr() // which the log asks for once the connection is closed
	}
	switch {
	case setup.MaxClients > 0 && h.counts[at.loop.Index].n > int64(setup.MaxClients):
		at.Refused++
		t.cut(reason.ListenerFull)
		return
	case way == nil && setup.Talker == nil:
		t.cut(reason.NoSite)
		return
	case !at.loop.Claim(engine.ShareTunnels, 2):
		at.Refused++
		t.cut(reason.DescriptorsFull)
		return
	}
	t.hasClaim = true
	defer func() {
		if r := recover(); r != nil {
			t.cut(reason.Panicked)
			panic(r) // the loop reports the stack
		}
	}()
	if setup.Talker != nil {
		t.talk(&o)
		return
	}
	t.open(&o)
}

// open finds a server, and relays.
func (t *Tunnel) open(o *Opened) {
	op := t.at.takeOpening()
	t.opening, op.t = op, t
	conn, why := op.connect(o)
	t.at.giveOpening(op)
	t.opening = nil
	if conn == nil {
		t.cut(why)
		return
	}
	if t.isSettled { // cut while it connected
		t.conn = conn
		t.release(pool.Cancelled)
		return
	}
	t.conn, t.connected = conn, t.at.loop.Micros()
	t.idle, t.owner = t.way.Idle.Milliseconds(), t
	t.halfClosed, t.strict = t.way.HalfClosed.Milliseconds(), true
	if t.way.Lifetime > 0 {
		t.until = t.at.loop.Now() + t.way.Lifetime.Milliseconds()
	}
	t.start(t.client, conn.Conn)
}

// moved counts bytes as they go, so that a tunnel of days is not silent in the statistics.
func (t *Tunnel) moved(d *direction, n int64) {
	if d == &t.up {
		t.at.Received += uint64(n)
	} else {
		t.at.Sent += uint64(n)
	}
	if t.server == nil {
		return
	}
	if load := t.server.Load(t.at.loop.Index); d == &t.up {
		load.BytesSent += uint64(n)
	} else {
		load.BytesReceived += uint64(n)
	}
}

// over settles a tunnel whose connections are closed.
func (t *Tunnel) over() { t.settle(t.why) }

// cut ends a tunnel wherever it is.
func (t *Tunnel) cut(why reason.Reason) {
	if t.conn != nil && t.session == nil && !t.relay.ended {
		t.relay.end(why)
		return
	}
	if t.session != nil && t.session.Cut != nil {
		t.session.Cut()
	}
	t.client.Reset()
	t.settle(why)
	if t.opening != nil {
		t.opening.stop()
	}
}

// settle gives back what the tunnel held, counts and logs.
func (t *Tunnel) settle(why reason.Reason) {
	if t.isSettled {
		return
	}
	t.isSettled, t.why = true, why
	if t.hasClaim {
		t.at.loop.Unclaim(engine.ShareTunnels, 2)
	}
	if t.conn != nil {
		outcome := pool.OK
		if why == reason.TunnelServerReset && t.down.sum == 0 {
			outcome = pool.Reset // it took the connection and gave nothing
		}
		t.release(outcome)
	}
	t.at.Reasons[why]++
	if t.isLogged() {
		t.log()
	}
	t.home.unlink(t)
}

// release gives back what the tunnel held of its pool.
func (t *Tunnel) release(outcome pool.Outcome) {
	t.conn.Close()
	l := t.at.loop
	t.to.Pool.Release(t.server, l.Index, l.Now(), outcome)
	attempt.Settle(l, t.to.Pool, t.server, &t.held)
}

// Refuse ends a connection that never became a tunnel.
func (h *Tunnels) Refuse(c engine.Conn, why reason.Reason, detail string) {
	at := h.driver.loops[c.Loop().Index]
	at.Accepted++
	t := &Tunnel{home: h, at: at, setup: h.setup.Load(), client: c, begun: at.loop.Micros(), peer: c.RemoteAddr().Addr(), detail: detail}
	h.link(t)
	t.cut(why)
}

func (h *Tunnels) link(t *Tunnel) {
	p := t.at
	p.Open++
	h.counts[p.loop.Index].n++
	if t.next = p.tunnels; t.next != nil {
		t.next.prev = t
	}
	p.tunnels = t
}

func (h *Tunnels) unlink(t *Tunnel) {
	p := t.at
	p.Open--
	h.counts[p.loop.Index].n--
	if t.next != nil {
		t.next.prev = t.prev
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		p.tunnels = t.next
	}
	t.next, t.prev = nil, nil
}
