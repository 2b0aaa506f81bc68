package exchange

import (
	"net/netip"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// session is a client connection between and during its exchanges. Idle it is this struct: no stack, no buffer.
type session struct {
	http     *HTTP
	at       *perLoop
	conn     engine.Conn
	stream   OneOfMany // conn again, where it is one of many; nil: it is all of a connection
	streams  *Streams  // of which it is one, or which it stands for; nil: HTTP/1.1
	x        *Exchange // the running one
	peer     netip.Addr
	requests int
	hint     int                   // bytes the last request needed
	counted  *site.DestinationLoop // of the pool that counted this connection last
	peerText [46]byte              // the peer's address as text
	peerLen  uint8
	secure   bool
	evicted  reason.Reason     // why it is ended, which is not by its own doing; 0: it is not
	since    int64             // ms: when it began, or came to rest
	tls      *filter.Handshake // of its TLS; nil: in clear text
	told     *proxyproto.TLVs  // by another proxy, in front of it; nil, and eight bytes of every idle connection: nothing
	shadow   *shadow           // of which it is; nil: it is a client's
	private  []privateConn     // server connections that no other client may use

	next, prev *session // of the loop's list
}

// pipelineMost bounds the requests that one connection may have served in a row before others get their turn.
const pipelineMost = 16

// lingerFor and lingerMost bound how long, and how many bytes, a client that was refused may go on sending before its connection is
// closed. Closing at once would reset the connection and could take the answer with it.
const (
	lingerFor  = time.Second
	lingerMost = 256 << 10
)

// Serve runs exchanges until the connection has nothing more to read.
func (s *session) Serve(c engine.Conn) {
	s.conn = c
	x := s.at.take()
	s.x = x
	for n := 1; ; n++ {
		x.reset(s)
		x.run()
		if x.client.other {
			begun := append([]byte(nil), x.request.in[:x.request.inLen]...)
			s.drop()
			s.toHTTP2(c, begun)
			return
		}
		if !x.client.keepAlive {
			break
		}
		if x.request.inLen == 0 {
			s.rest()
			return
		}
		if n%pipelineMost == 0 {
			s.at.loop.Yield()
		}
	}
	// A client that was not told before may have its next request on the way.
	linger, isCut := x.client.linger || x.response.sentAny && x.request.head.KeepAlive, x.client.lone.IsCut()
	s.drop()
	if isCut {
		c.Reset()
	} else {
		if linger {
			lingerClose(c)
		}
		c.Close()
	}
	s.end()
}

// rest gives the connection back to its loop until the next request.
func (s *session) rest() {
	idle := s.x.setup.Idle
	s.drop()
	if pass := s.at.passOn; pass != nil && pass(s) {
		return
	}
	s.since = s.at.loop.Now()
	s.conn.SetReadTimeout(idle)
	s.conn.Await(s)
}

func (s *session) drop() {
	s.at.give(s.x)
	s.x = nil
}

func (s *session) end() {
	s.closePrivate()
	if s.http != nil {
		s.at.Stats.Clients--
		s.at.unlink(s)
		s.http.open(s.at, -1)
		s.http = nil
	}
}

// Panicked settles what a panic in a stage left behind: that client's connection ends, the server's is closed, everything else
// goes on.
func (s *session) Panicked() {
	if x := s.x; x != nil {
		s.x = nil
		x.settlePanic()
	}
	s.end()
}

// lingerClose tells the client that nothing more will come and reads on for a moment.
func lingerClose(c engine.Conn) {
	if c.CloseWrite() != nil {
		return
	}
	l := c.Loop()
	buf := l.Buffer(engine.Buffer4K)
	defer l.Release(buf)
	by := l.Now() + int64(lingerFor/time.Millisecond)
	for read := 0; read < lingerMost && l.Now() < by; {
		c.SetReadTimeout(time.Duration(by-l.Now()) * time.Millisecond)
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		read += n
	}
}
