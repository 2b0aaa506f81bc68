package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// wantsUpgrade reports whether the client asks for a protocol that weir passes on. A request's body must be whole before the protocol changes: RFC 9110
// section 7.8: "A client cannot begin using an upgraded protocol on the connection until it has completely sent the request message". Bodies that are small
// are kept for that, as Docker's `exec` has one; with others nothing changes, and the request goes on without Upgrade.
func (x *Exchange) wantsUpgrade() bool {
	if !x.req.Upgrade {
		return false
	}
	isSmall := x.body.framing == message.FramingNone || x.body.framing == message.FramingLength && x.body.length <= upgradeBodyMost
	return isSmall && message.OffersUpgrade(&x.req.Fields)
}

// upgradeBodyMost is the largest body of a request that asks for another protocol.
const upgradeBodyMost = 64 << 10

// wantsWebSocket reports whether WebSocket is among what the client asks for: the one protocol that other versions of HTTP can carry.
func (x *Exchange) wantsWebSocket() bool {
	return x.wantsUpgrade() && x.body.framing == message.FramingNone && message.OffersProtocol(&x.req.Fields, webSocket)
}

var webSocket = []byte("websocket")

// behindRequest is what the client has sent behind its request.
func (x *Exchange) behindRequest() []byte {
	return x.in[x.headLen+x.body.have : x.inLen]
}

// upgrade tells the client and relays the new protocol. Until the server has really switched no byte of the client's passes (Pingora CVE-2026-2833); after it
// neither connection is ever used for another request.
func (x *Exchange) upgrade() Stage {
	if !x.hasSwitched() {
		return x.badResponse(http1.FaultStatusLine)
	}
	x.keepAlive, x.isClean = false, false
	x.stamp(Deliver)
	if !x.switchClient(x.reply.Content()) {
		return x.clientFailed()
	}
	x.conn.SetWriteTimeout(x.route.Response)
	if ahead := x.behindRequest(); len(ahead) > 0 {
		if _, err := x.conn.Write(ahead); err != nil {
			return x.bodyFailed(err)
		}
	}
	x.stopWatching()
	x.reason, x.outcome = reason.Upgraded, pool.OK
	client, server := x.client, x.conn.Conn
	engine.WatchPeer(server)
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
	x.at.loop.Release(x.reply.Buf)
	x.out, x.reply.Buf = nil, nil
	x.res.List = x.res.List[:0]
}
