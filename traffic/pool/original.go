package pool

import "net/netip"

// originalsMost bounds the destinations that a loop remembers with what it knows of them, and their connections.
const originalsMost = 1024

// IsOriginal reports whether the pool's servers are where clients wanted to go: no configuration names them.
func (p *Pool) IsOriginal() bool { return p.config.Original }

// AdmitOriginal is Admit for work that goes to an address which no configuration names. forgotten is a server that had to give way, if there is one:
// the caller closes its idle connections.
func (p *Pool) AdmitOriginal(loop int, to netip.AddrPort) (s, forgotten *Server) {
	l := p.loops[loop]
	if s = l.originals[to]; s == nil {
		if len(l.originals) >= originalsMost {
			forgotten = l.forgetOne(loop)
		}
		if l.originals == nil {
			l.originals = map[netip.AddrPort]*Server{}
		}
		s = newServer(to.String(), "", Address{AddrPort: to}, len(p.loops))
		l.originals[to] = s
	}
	p.Begin(s, loop)
	return s, forgotten
}

// forgetOne forgets a destination to which nothing is under way, whichever that is; if there is none, it forgets one whose work ends as it began.
func (l *perLoop) forgetOne(loop int) *Server {
	var any *Server
	for _, s := range l.originals {
		any = s
		if s.Load(loop).InFlight == 0 {
			break
		}
	}
	delete(l.originals, any.Address.AddrPort)
	any.isGone.Store(true)
	return any
}
