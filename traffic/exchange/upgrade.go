package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/http1"
)

// upgrade tells the client and relays the new protocol. Until the server has really switched no byte of the client's passes (Pingora CVE-2026-2833); after it
// neither connection is ever used for another request.
func (x *Exchange) upgrade() Stage {
	if !x.hasSwitched() {
		return x.badResponse(http1.FaultStatusLine)
	}
	x.keepAlive, x.isClean = false, false
	x.stamp(Deliver)
	if !x.switchClient(x.resp[x.respFrom+x.respHead : x.respLen]) {
		return x.clientFailed()
	}
	x.conn.SetWriteTimeout(x.route.Response)
	if ahead := x.in[x.headLen:x.inLen]; len(ahead) > 0 {
		if _, err := x.conn.Write(ahead); err != nil {
			return x.bodyFailed(err)
		}
	}
	x.stopWatching()
	x.reason, x.outcome = reason.Upgraded, pool.OK
	client, server := x.client, x.conn.Conn
	x.releaseBodies()
	t := x.relay(client, server)
	if x.ended != reason.Done {
		x.reason = x.ended
	}
	x.received += t.Sent
	x.sent += t.Received
	return Finish
}

// relay counts the tunnel for as long as it lasts, however it ends.
func (x *Exchange) relay(client, server engine.Conn) tunnel.Relayed {
	x.inTunnel = true
	x.at.Stats.Tunnels++
	if s := x.session.streams; s != nil {
		s.tunnels++
	}
	defer func() {
		x.at.Stats.Tunnels--
		if s := x.session.streams; s != nil {
			s.tunnels--
		}
	}()
	return tunnel.Relay(client, server, x.route.Tunnel)
}

// releaseBodies gives back the buffers that a tunnel does not need; the request's stays for the log.
func (x *Exchange) releaseBodies() {
	x.at.loop.Release(x.out)
	x.at.loop.Release(x.resp)
	x.out, x.resp = nil, nil
	x.res.List = x.res.List[:0]
}
