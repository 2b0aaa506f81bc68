package admin

import (
	"net/http"

	"github.com/weir-proxy/weir/control/admin/api"
)

// postRevoke answers when the authority has.
func (s *Server) postRevoke(w http.ResponseWriter, r *http.Request) {
	var c api.Revocation
	d := s.running(w, r, &c)
	if d == nil {
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
