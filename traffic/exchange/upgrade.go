package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// upgrade answers 101 and relays the new protocol. Until a real 101 no byte of the client's passes (Pingora CVE-2026-2833); after it
// neither connection is ever used for another request.
func (x *Exchange) upgrade() Stage {
	// RFC 9110 section 7.8: "A server MUST NOT switch to a protocol that was not indicated by the client in the corresponding request's
	// Upgrade header field."
	if !x.wantsUpgrade() || !message.EqualFold(x.res.Get(message.FieldUpgrade), string(x.req.Get(message.FieldUpgrade))) {
		return x.badResponse(http1.FaultStatusLine)
	}
	x.keepAlive, x.isClean = false, false
	b := append(x.scratch(), "HTTP/1.1"...)
	b = append(b, x.res.Buf[len("HTTP/1.1"):x.res.FieldsAt.Off]...)
	b = x.appendResponseFields(b)
	b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
	b = append(b, x.res.Get(message.FieldUpgrade)...)
	b = append(b, "\r\n\r\n"...)
	early := x.resp[x.respFrom+x.respHead : x.respLen]
	b = append(b, early...)
	x.stamp(Deliver)
	if !x.toClient(b) {
		return x.clientFailed()
	}
	x.conn.SetWriteTimeout(x.route.Response)
	if ahead := x.in[x.headLen:x.inLen]; len(ahead) > 0 {
		if _, err := x.conn.Write(ahead); err != nil {
			return x.bodyFailed(err)
		}
	}
	x.client.LinkHangup(nil)
	x.reason, x.outcome = reason.Upgraded, pool.OK
	client, server := x.client, x.conn.Conn
	x.releaseBodies()
	t := x.relay(client, server)
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
