package snapshot

import (
	"fmt"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/traffic/quic"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/http1"
)

// offered is what a listener's clients may choose in a TLS handshake, the best first.
func offered(l *config.Listener) (protocols []string) {
	if !l.IsHTTP() && !l.Terminates() {
		return nil // what is spoken inside is not weir's to say
	}
	if l.Offers("http2") {
		protocols = append(protocols, "h2")
	}
	if l.Offers("http1") {
		protocols = append(protocols, "http/1.1", "http/1.0")
	}
	return protocols
}

// setQUIC has a listener speak HTTP/3 beside TLS, and say so to those who come by it. It is spoken on the same ports; a socket in the file system has none.
func (b *builder) setQUIC(s *listener.Setup, l *config.Listener) {
	if l.SpeaksHTTP3() {
		s.QUIC, s.Resets = true, b.resetKey()
		s.HTTP.AltSvc = fmt.Appendf(nil, "Alt-Svc: h3=\":%s\"; ma=86400\r\n", publicPort(l))
	}
}

// setVersions gives a listener's exchanges what they need for the versions it offers.
func setVersions(s *exchange.Setup, l *config.Listener) {
	s.Without[3] = !l.SpeaksHTTP3()
	if s.Without[2] = !l.Offers("http2"); s.Without[2] {
		return
	}
	s.Streams = &stream.Config{Limits: &s.Limits, Header: s.Header, Send: s.Send, Idle: s.Idle}
	s.ClearHTTP2 = l.TLS == nil
}

var versions = map[string]transport.Version{"auto": transport.Auto, "http1": transport.HTTP1, "http2": transport.HTTP2, "h2c": transport.H2C,
	"http3": transport.HTTP3}

// versionOf is what a pool's servers are spoken to in. Without TLS nothing can be agreed on, so it is HTTP/1.1 unless the file says otherwise.
func versionOf(p *config.Pool) transport.Version {
	if p.FromClient() {
		return transport.HTTP1 // a connection is one client's: there is nobody to share it
	}
	v := versions[p.Protocol]
	if v == transport.Auto && (p.TLS == nil || !p.Connections.Share || p.ProxyProtocol != "") {
		return transport.HTTP1
	}
	return v
}

// serverLimits are the default ones; streamHeader is how long a server may take from the first byte of a frame to its last.
var serverLimits = &http1.Limits{}

const streamHeader = 30 * time.Second

// setVersion makes a pool's connections speak its version.
func setVersion(c *transport.Config, p *config.Pool) {
	c.Version = versionOf(p)
	switch c.Version {
	case transport.HTTP1:
		return
	case transport.HTTP3:
		c.QUIC = &quic.Config{Limits: serverLimits, Send: transport.DefaultIdle, Idle: c.Idle}
		return
	}
	c.Streams = &stream.Config{Limits: serverLimits, Header: streamHeader, Send: transport.DefaultIdle, Idle: c.Idle}
}
