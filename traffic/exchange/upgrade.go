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
	if !x.request.head.Upgrade {
		return false
	}
	isSmall := x.request.body.framing == message.FramingNone || x.request.body.framing == message.FramingLength && x.request.body.length <= upgradeBodyMost
	return isSmall && message.OffersUpgrade(&x.request.head.Fields)
}

// upgradeBodyMost is the largest body of a request that asks for another protocol.
const upgradeBodyMost = 64 << 10

// wantsWebSocket reports whether WebSocket is among what the client asks for: the one protocol that other versions of HTTP can carry.
func (x *Exchange) wantsWebSocket() bool {
	return x.wantsUpgrade() && x.request.body.framing == message.FramingNone && message.OffersProtocol(&x.request.head.Fields, webSocket)
}

var webSocket = []byte("websocket")

// behindRequest is what the client has sent behind its request.
func (x *Exchange) behindRequest() []byte {
	return x.request.in[x.request.headLen+x.request.body.have : x.request.inLen]
}

// upgrade tells the client and relays the new protocol. Until the server has really switched no byte of the client's passes (Pingora CVE-2026-2833); after it
// neither connection is ever used for another request.
func (x *Exchange) upgrade() Stage {
	if !x.hasSwitched() {
		return x.badResponse(http1.FaultStatusLine)
	}
	x.client.keepAlive, x.attempt.isClean = false, false
	x.stamp(Deliver)
	if !x.switchClient(x.response.reply.Content()) {
		return x.clientFailed()
	}
	x.attempt.conn.SetWriteTimeout(x.request.route.Response)
	if ahead := x.behindRequest(); len(ahead) > 0 {
		if _, err := x.attempt.conn.Write(ahead); err != nil {
			return x.bodyFailed(err)
		}
	}
	x.stopWatching()
	x.reason, x.attempt.outcome = reason.Upgraded, pool.OK
	client, server := x.client.conn, x.attempt.conn.Conn
	engine.WatchPeer(server)
	x.releaseBodies()
	t := x.relay(client, server)
	if x.attempt.ended != reason.Done {
		x.reason = x.attempt.ended
	}
	x.received += t.Sent
	x.sent += t.Received
	return Finish
}

// relay counts the tunnel for as long as it lasts, however it ends.
func (x *Exchange) relay(client, server engine.Conn) tunnel.Relayed {
	x.client.inTunnel = true
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
	return tunnel.Relay(client, server, x.request.route.Tunnel)
}

// releaseBodies gives back the buffers that a tunnel does not need; the request's stays for the log.
func (x *Exchange) releaseBodies() {
	x.at.loop.Release(x.attempt.out)
	x.at.loop.Release(x.response.reply.Buf)
	x.attempt.out, x.response.reply.Buf = nil, nil
	x.response.head.List = x.response.head.List[:0]
}
