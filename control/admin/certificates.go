package admin

import (
	"encoding/json"
	"net/http"

	"github.com/weir-proxy/weir/control/admin/api"
)

// postRevoke answers when the authority has.
func (s *Server) postRevoke(w http.ResponseWriter, r *http.Request) {
	d := s.daemon.Load()
	if d == nil {
		fail(w, http.StatusServiceUnavailable, "weir is starting")
		return
	}
	var c api.Revocation
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(&c); err != nil {
		fail(w, http.StatusBadRequest, "the body: "+err.Error())
		return
	}
	if c.Name == "" {
		fail(w, http.StatusBadRequest, "say of which name")
		return
	}
	revoked, err := d.RevokeCertificate(r.Context(), c)
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, revoked)
}
