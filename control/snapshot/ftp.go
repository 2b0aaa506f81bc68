package snapshot

import (
	"slices"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/traffic/ftp"
	"github.com/weir-proxy/weir/traffic/tunnel"
)

// talker is who speaks with both ends of a listener's connections, where its protocol needs one.
func (b *builder) talker(l *config.Listener, out *Listener) {
	if l.Protocol != "ftp" {
		return
	}
	t := out.Setup.Tunnel
	t.Protocol = accesslog.FTP
	s := &ftp.Setup{Greeting: l.FTP.Greeting, Servers: map[*tunnel.Way]ftp.Secure{}, Idle: bounded(l.Timeouts.Idle)}
	s.Announce = l.FTP.Announce
	if p := l.FTP.Ports; p != nil {
		s.First, s.Last = p.First, p.Last
	}
	if l.TLS != nil {
		s.TLS = b.terms(l, out)
		s.Required = l.TLS.Plaintext == "refuse"
		if l.FTP.Implicit {
			out.Setup.TLS = s.TLS
		}
	}
	if t.Way != nil {
		b.ftpServers(s, t.Way)
	}
	if len(l.FTP.Users) > 0 {
		s.Users = map[string]*tunnel.Way{}
	}
	for _, u := range l.FTP.Users {
		if way := b.way(l, u.Pool); way != nil {
			s.Users[u.Name] = way
			b.ftpServers(s, way)
		}
	}
	t.Talker = s
}

// ftpServers notes how the servers of a way are spoken to.
func (b *builder) ftpServers(s *ftp.Setup, way *tunnel.Way) {
	s.Data = max(s.Data, way.Idle)
	p, d := b.cfg.Pool(way.To.Pool.Name), b.out.Destinations[way.To.Pool.Name]
	if p != nil && p.TLS != nil && d.Transport.OpaqueTLS != nil {
		s.Servers[way] = ftp.Secure{TLS: d.Transport.OpaqueTLS, Implicit: isImplicit(p)}
	}
}

// implicitPort is where FTP speaks TLS from the first byte on.
const implicitPort = 990

func isImplicit(p *config.Pool) bool {
	return slices.ContainsFunc(p.Servers, func(s config.Server) bool { return s.Address.Port == implicitPort })
}

// isExplicit reports whether the pool's servers speak TLS only when they are asked to, as FTP does elsewhere than on its port for it.
func (b *builder) isExplicit(p *config.Pool) bool {
	return !isImplicit(p) && slices.ContainsFunc(b.cfg.Listeners, func(l config.Listener) bool {
		return l.Protocol == "ftp" && (l.Pool == p.Name || slices.ContainsFunc(l.FTP.Users, func(u config.FTPUser) bool { return u.Pool == p.Name }))
	})
}
