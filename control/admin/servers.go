package admin

import (
	"net/http"
	"slices"

	"github.com/weir-proxy/weir/control/admin/api"
)

// postServers changes a server at run time.
func (s *Server) postServers(w http.ResponseWriter, r *http.Request) {
	var c api.ServerChange
	d := s.running(w, r, &c)
	if d == nil {
		return
	}
	states := []string{"", api.Available, api.Drained, api.Disabled, api.AsConfigured}
	switch {
	case c.Server == "":
		fail(w, http.StatusBadRequest, "say which server")
	case !slices.Contains(states, c.State):
		fail(w, http.StatusBadRequest, "state: want available, drained, disabled or as_configured")
	case c.State == "" && c.Weight == nil:
		fail(w, http.StatusBadRequest, "say a state or a weight")
	case c.Weight != nil && (*c.Weight < 0 || *c.Weight > 1000):
		fail(w, http.StatusBadRequest, "weight: want a number from 0 to 1000")
	default:
		changed, err := d.ChangeServer(c)
		if err != nil {
			fail(w, statusOf(w, err, http.StatusNotFound), err.Error())
			return
		}
		answer(w, http.StatusOK, changed)
	}
}

// postKill ends connections.
func (s *Server) postKill(w http.ResponseWriter, r *http.Request) {
	var k api.Kill
	d := s.running(w, r, &k)
	if d == nil {
		return
	}
	if k.Server == "" && k.Client == "" {
		fail(w, http.StatusBadRequest, "say which server, or which client")
		return
	}
	killed, err := d.Kill(k)
	if err != nil {
		fail(w, statusOf(w, err, http.StatusNotFound), err.Error())
		return
	}
	answer(w, http.StatusOK, killed)
}
