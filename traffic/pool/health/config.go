package health

import (
	"bytes"
	"crypto/tls"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"time"
)

// Config is the check of a pool's servers. Zero means default everywhere.
type Config struct {
	Type    string        // a name of Types; http by default
	Path    string        // of the request; / by default
	Host    string        // of the request; the server's own name or address by default
	Port    uint16        // where to ask; the server's own by default
	Every   time.Duration // 3 s by default
	Jitter  float64       // share of Every by which it varies, both ways; 0.2 by default, none if negative
	Timeout time.Duration // of one check; 2 s by default
	Rise    int           // successes in a row that bring a server up; 2 by default
	Fall    int           // failures in a row that take it down; 3 by default
	Status  []Range       // statuses that are a success; 200-399 by default
	Body    string        // that the first 64 KiB of the body must contain; not looked at by default
	TLS     *tls.Config   // of https and tls; without a ServerName the host's is verified
	Reuse   bool          // http and https: over the connection of the check before
	Encrypt bool          // script: over TLS
	Script  []Step        // of script
	Command []string      // of exec

	Sources []netip.Addr // own addresses that checks come from, in turn, as connections of traffic do; none: the system chooses
	Proxy   int          // version of the PROXY header before each connection, which says that it is weir's own; 0: none
	HTTP2   bool         // http: HTTP/2 with prior knowledge. https speaks what is agreed on in the handshake
}

// Step is a step of a script: one of them is set.
type Step struct {
	Send   []byte
	Expect string         // in what the server says
	Match  *regexp.Regexp // what it says
}

// Range is a range of statuses with both ends.
type Range struct{ From, To int }

func (c Config) withDefaults() Config {
	c.Type = or(c.Type, "http")
	c.Path = or(c.Path, "/")
	c.Every = or(c.Every, 3*time.Second)
	c.Jitter = max(or(c.Jitter, 0.2), 0)
	c.Timeout = or(c.Timeout, 2*time.Second)
	c.Rise = or(c.Rise, 2)
	c.Fall = or(c.Fall, 3)
	if len(c.Status) == 0 {
		c.Status = []Range{{200, 399}}
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{}
	}
	return c
}

// isSame leaves TLS out: every reload makes a new tls.Config, and a running check simply takes it.
func (c Config) isSame(other Config) bool {
	c.TLS, other.TLS = nil, nil
	same := slices.EqualFunc(c.Script, other.Script, func(a, b Step) bool {
		return bytes.Equal(a.Send, b.Send) && a.String() == b.String()
	})
	c.Script, other.Script = nil, nil
	return same && reflect.DeepEqual(c, other)
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
