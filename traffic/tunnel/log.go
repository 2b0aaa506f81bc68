package tunnel

import "github.com/weir-proxy/weir/telemetry/accesslog"

// isLogged reports whether the tunnel goes to the access log.
func (t *Tunnel) isLogged() bool {
	f := t.setup.Log
	return f != nil && f.Takes(0, t.why, t.at.loop.Micros()-t.begun)
}

// log puts a record of the tunnel into the loop's ring.
func (t *Tunnel) log() {
	l, p := t.at.loop, t.at
	r := accesslog.Record{At: l.Time(t.begun).UnixMicro(), Protocol: t.setup.Protocol, Client: t.peer, Peer: t.peer, TLS: t.isSecure,
		Attempts: uint8(min(t.attempts, 255)), Reason: t.why, Sent: t.down.sum, Received: t.up.sum,
		Matched: -1, Connected: -1, Answered: -1, Ended: l.Micros() - t.begun}
	r.PeerPort, r.OwnPort = t.client.RemoteAddr().Port(), t.ownPort
	if t.setup.CapturedAt != 0 {
		r.Dest = t.client.LocalAddr()
	}
	if t.connected > 0 {
		r.Connected = int32(t.connected - t.begun)
	}
	text := func(i int, s string) []byte {
		p.scratch[i] = append(p.scratch[i][:0], s...)
		return p.scratch[i]
	}
	r.Route = text(0, t.setup.Listener)
	r.Host = text(1, t.name)
	r.Detail = text(3, t.detail)
	if t.to != nil {
		r.Pool = text(4, t.to.Pool.Name)
	}
	if t.server != nil {
		r.Server = text(2, t.server.Name)
	}
	p.record = r.Append(p.record[:0])
	if !p.ring.Put(p.record) {
		p.LogDrops++
	}
}
