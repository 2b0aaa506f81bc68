package tunnel

import (
	"time"

	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/traffic/site"
)

// Setup is what the connections of a listener are tunnelled by. Immutable; a reload swaps it whole.
type Setup struct {
	Listener   string
	Protocol   accesslog.Protocol
	Way        *Way              // nil: who names no site gets none
	Sites      *site.Index       // by server name; nil: there are none
	Ways       map[string]*Named // of the sites, by pattern
	Talker     Talker            // speaks with both ends in place of a blind relay; nil: nobody
	CapturedAt uint16            // the port, where connections are captured that went elsewhere; 0: they are not
	Drain      time.Duration     // what is under way when the listener goes, or weir ends
	MaxClients int               // connections at the same time, per loop; 0: no limit
	Log        *accesslog.Filter // of the ended tunnels that go to the access log; nil: none
}

// Way leads to the servers of a pool. Immutable.
type Way struct {
	To          *site.Destination
	Persistence *site.Persistence // nil: any server will do
	Connect     time.Duration     // to a server
	Idle        time.Duration     // silence in both directions
	HalfClosed  time.Duration     // Idle once one end has finished; 0: as Idle
	Lifetime    time.Duration     // of a tunnel; 0: no limit
	Retries     int               // further servers after one that cannot be reached
}

// Named is what becomes of the connections that name a site.
type Named struct {
	Way       *Way            // nil where Terminate is set
	Protocols map[string]*Way // by the first protocol of the client's list (ALPN) that is among them; before Way
	Terminate bool            // TLS ends here, and requests go to the sites of HTTP
}

// Find is what becomes of a connection that asks for the name and offers the protocols; nil where it has no place.
func (s *Setup) Find(name []byte, protocols func(yield func([]byte) bool)) (way *Way, terminate bool) {
	n := s.named(name)
	if n == nil {
		return s.Way, false
	}
	if len(n.Protocols) > 0 {
		for p := range protocols {
			if w := n.Protocols[string(p)]; w != nil {
				return w, false
			}
		}
	}
	return n.Way, n.Terminate
}

func (s *Setup) named(name []byte) *Named {
	if s.Sites == nil || len(name) == 0 {
		return nil
	}
	if found := s.Sites.FindSite(name); found != nil {
		return s.Ways[found.Pattern]
	}
	return nil
}
