package explain

import (
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/site"
)

// mirror says who gets copies.
func (a *asking) mirror() {
	m := a.route.Mirror
	if m == nil {
		return
	}
	then := ""
	if m.Compare {
		then = "; the answers are compared"
	}
	a.step("mirror", "a copy of %.4g%% of the requests goes to pool %s, with bodies up to %v%s", float64(m.Share)/site.Points*100, m.Route.Destination.Pool.Name,
		config.Size(m.Body), then)
}

// buffer says what of bodies is held back.
func (a *asking) buffer() {
	b := a.route.Buffer
	if b == nil {
		return
	}
	beyond := "what is larger goes on as it comes"
	if b.Spill > 0 {
		beyond = "up to " + config.Size(b.Spill).String() + " more in a file"
	}
	if b.Request > 0 {
		a.step("buffer", "up to %v of the request's body before a server is asked for, %s", config.Size(b.Request), beyond)
	}
	if b.Response > 0 {
		a.step("buffer", "up to %v of the answer before the client gets any of it, %s", config.Size(b.Response), beyond)
	}
}
