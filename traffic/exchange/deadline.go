package exchange

import (
	"strconv"
	"time"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// timeLeftField tells a server, in ms, how long its answer is of use. The name is Envoy's, whose services know it.
const timeLeftField = "X-Envoy-Expected-Rq-Timeout-Ms"

// startDeadline sets the time by which the answer must have begun: the route's, or the shorter one of a proxy that is trusted.
func (x *Exchange) startDeadline() {
	limit := x.request.route.Request.Milliseconds()
	if ms := x.grpcLimit(); ms > 0 && (limit == 0 || ms < limit) {
		limit = ms
	}
	if limit == 0 {
		return
	}
	if x.client.told.IsTrusted {
		if ms, err := strconv.ParseInt(string(x.request.head.Lookup(timeLeftField)), 10, 32); err == nil && ms > 0 {
			limit = min(limit, ms)
		}
	}
	x.timing.by = x.at.loop.Now() + limit - (x.at.loop.Micros()-x.timing.stages[Read])/1000
}

// inTime is d, or what is left until the deadline if that is less.
func (x *Exchange) inTime(d time.Duration) time.Duration {
	if x.timing.by == 0 {
		return d
	}
	return min(d, time.Duration(max(1, x.timing.by-x.at.loop.Now()))*time.Millisecond)
}

// isLate reports whether the deadline has passed.
func (x *Exchange) isLate() bool { return x.timing.by != 0 && x.at.loop.Now() >= x.timing.by }

// deadlineSlack is how much sooner than weir a server may find that the deadline has passed, ms: weir's clock ticks in milliseconds.
const deadlineSlack = 2

// isAtDeadline reports whether the deadline has passed as a server may see it.
func (x *Exchange) isAtDeadline() bool {
	return x.timing.by != 0 && x.at.loop.Now()+deadlineSlack >= x.timing.by
}

// late ends an exchange whose answer would be of no use any more.
func (x *Exchange) late() Stage { return x.fail(504, reason.RequestTimeout) }

// appendTimeLeft tells the server what is left.
func (x *Exchange) appendTimeLeft(b []byte) []byte {
	b = append(b, timeLeftField...)
	b = append(b, ": "...)
	b = strconv.AppendInt(b, max(1, x.timing.by-x.at.loop.Now()), 10)
	return append(b, "\r\n"...)
}
