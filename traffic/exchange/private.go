package exchange

import (
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/message"
)

// NTLM, and Negotiate as IIS does it, authenticate a connection and not a request: whatever comes on it afterwards is that user's. Such a server
// connection belongs to the client connection whose request made it so, for as long as either lives (RFC 4559 section 6 warns proxies of sharing it).

// privateMost bounds the server connections that a client connection keeps to itself, one for each pool it asks.
const privateMost = 8

// privateConn is a server connection that belongs to one client connection.
type privateConn struct {
	pool   string
	server *pool.Server
	conn   *transport.Conn
}

// privateServer is the server to which the client has a connection of its own in the pool; nil if there is none that can be used.
func (x *Exchange) privateServer(d *site.Destination) *pool.Server {
	s := x.session
	i := s.privateTo(d)
	if i < 0 {
		return nil
	}
	if server := s.private[i].server; !server.IsGone() && server.Health() != pool.Down && d.Pool.Set().State(server) != pool.Disabled {
		return server
	}
	s.release(i).Close()
	return nil
}

// resumePrivate takes the client's own connection to the server for its next request, if it still stands.
func (x *Exchange) resumePrivate(d *site.Destination) bool {
	s := x.session
	i := s.privateTo(d)
	if i < 0 || s.private[i].server != x.attempt.server {
		return false
	}
	c := s.release(i)
	if !c.Resume(x.want(x.attempt.server, d.Transport).Name) {
		c.Close()
		return false
	}
	x.attempt.conn = c
	return true
}

// privateTo is the place of the client's own connection to the pool; -1 if there is none.
func (s *session) privateTo(d *site.Destination) int {
	for i := range s.private {
		if s.private[i].pool == d.Pool.Name {
			return i
		}
	}
	return -1
}

func (s *session) release(i int) *transport.Conn {
	c := s.private[i].conn
	s.private[i] = s.private[len(s.private)-1]
	s.private = s.private[:len(s.private)-1]
	return c
}

// hold keeps a private connection for the client's next request; without one to come it is closed.
func (x *Exchange) hold(d *site.Destination, c *transport.Conn) {
	s := x.session
	if !x.client.keepAlive || len(s.private) >= privateMost {
		c.Close()
		return
	}
	c.Hold(d.Transport)
	s.private = append(s.private, privateConn{d.Pool.Name, x.attempt.server, c})
}

// closePrivate ends what belongs to the client together with it.
func (s *session) closePrivate() {
	for _, p := range s.private {
		p.conn.Close()
	}
	s.private = nil
}

// authenticates reports whether an Authorization field's value authenticates the connection that it is sent on.
func authenticates(credentials []byte) bool {
	scheme := credentials
	for i, c := range credentials {
		if c == ' ' {
			scheme = credentials[:i]
			break
		}
	}
	return message.EqualFold(scheme, "NTLM") || message.EqualFold(scheme, "Negotiate")
}

// offersConnectionAuth reports whether an answer with status 401 asks for credentials of that kind. The server remembers on the connection how
// far the handshake is, so it is the client's from here on.
func offersConnectionAuth(f *message.Fields) bool {
	for i := range f.List {
		if f.List[i].ID == message.FieldWWWAuthenticate && authenticates(f.ValueOf(i)) {
			return true
		}
	}
	return false
}
