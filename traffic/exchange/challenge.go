package exchange

import (
	"bytes"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/site"
)

// Challenge is the answer to an authority that asks for a path of a host by http-01 (RFC 8555 section 8.3); false if none of ours is under way there. It
// does not block.
type Challenge func(host, path string) (answer string, isOurs bool)

var challengePath = []byte("/.well-known/acme-challenge/")

// answersChallenge prepares the answer to an authority. What is not for weir goes on as any request: servers may have certificates of their own.
func (x *Exchange) answersChallenge() bool {
	if !bytes.HasPrefix(x.request.path, challengePath) {
		return false
	}
	answer, isOurs := x.setup.Challenge(string(x.request.host), string(x.request.path))
	if !isOurs {
		return false
	}
	x.reason = reason.Responded
	x.request.route = &site.Route{Name: "acme challenge"}
	x.response.local = localAnswer{status: 200, respond: &site.Respond{Status: 200, Body: []byte(answer)}}
	return true
}
