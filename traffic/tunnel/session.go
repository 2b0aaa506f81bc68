package tunnel

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// Talker speaks a protocol with both ends of a tunnel, where bytes cannot go on as they come.
type Talker interface {
	// Talk serves a client until it ends, and says why. It runs on the coroutine of the client's connection, and closes nothing that is the
	// session's.
	Talk(s *Session) reason.Reason
}

// Session is a tunnel in a Talker's hands. Owned by its loop.
type Session struct {
	Client engine.Conn // with whatever the Talker has put around it
	Server engine.Conn // as Client; nil before Connect
	Opened Opened
	Busy   int // pieces of work under way: a session without any may be ended at any time, by an interrupt of Client

	// Cut, if it is set, ends what the Talker has under way besides the two connections. It does not wait.
	Cut func()

	t *Tunnel
}

func (t *Tunnel) talk(o *Opened) {
	s := &Session{Client: t.client, Opened: *o, t: t}
	t.session = s
	why := t.setup.Talker.Talk(s)
	if t.isSettled {
		return // cut meanwhile
	}
	s.Client.Close()
	t.settle(why)
}

// Way is the listener's own; nil if it has none.
func (s *Session) Way() *Way { return s.t.way }

// Loop is where everything of the session runs.
func (s *Session) Loop() *engine.Loop { return s.t.at.loop }

// Peer is the client's address.
func (s *Session) Peer() netip.Addr { return s.t.peer.Unmap() }

// Connect finds a server on the way. Once per session; it parks.
func (s *Session) Connect(way *Way) reason.Reason {
	t := s.t
	t.way = way
	op := t.at.takeOpening()
	t.opening, op.t = op, t
	conn, why := op.connect(&s.Opened)
	t.at.giveOpening(op)
	t.opening = nil
	if conn == nil {
		return why
	}
	t.conn, t.connected = conn, t.at.loop.Micros()
	if t.isSettled {
		t.release(0)
		return reason.Stopping
	}
	s.Server = conn.Conn
	return reason.Done
}

// Secure has the server's connection be what the Talker has put around it.
func (s *Session) Secure(c engine.Conn) {
	s.Server, s.t.conn.Conn = c, c
}

// ServerName is the name that the server was resolved from; "" if it is written by address.
func (s *Session) ServerName() string { return s.t.server.Host }

// Count counts bytes from the client and to it.
func (s *Session) Count(received, sent int64) {
	t := s.t
	t.up.sum += received
	t.down.sum += sent
	t.moved(&t.up, received)
	t.moved(&t.down, sent)
}

// Detail is what the log says besides the reason.
func (s *Session) Detail(text string) { s.t.detail = text }
