package exchange

import (
	"math/rand/v2"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
)

// queue waits for a server of the pool to have room.
func (x *Exchange) queue() (*pool.Server, pool.Reason) {
	return x.attempt.place.Queue(x.at.loop, x.request.destination.Pool, x.client.ip, x.request.route.Class, x.timing.by, x)
}

// HasLeft reports whether the client is gone.
func (x *Exchange) HasLeft() bool { return x.client.left }

// retryInMost bounds the seconds after which a shed client is asked to come back: apart, so that they do not all come back at once.
const retryInMost = 4

// shed answers 503 without having asked a server.
func (x *Exchange) shed(why reason.Reason) Stage {
	next := x.fail(503, why)
	x.response.local.retryIn = 1 + rand.IntN(retryInMost)
	return next
}
