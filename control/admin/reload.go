package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
)

// Reload has the daemon read its configuration again and follows with the admin addresses. Every reload of the process should go through
// here, whoever asks for it, so that the status knows of it. While another process takes over it is api.ErrHanding: nothing has been read, and Config.Later is told.
func (s *Server) Reload() (config.Problems, error) {
	_, problems, err := s.reload()
	return problems, err
}

func (s *Server) reload() (plan *api.Plan, problems config.Problems, err error) {
	d := s.daemon.Load()
	if d == nil {
		return nil, nil, errors.New("weir is starting")
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	plan, problems, err = d.Reload()
	if errors.Is(err, api.ErrHanding) {
		if s.config.Later != nil {
			s.config.Later()
		}
		return nil, problems, err
	}
	if err == nil {
		if e := s.Apply(d.Config()); e != nil {
			err = fmt.Errorf("%w; all else was changed", e)
		}
	} else {
		s.mu.Lock()
		s.discard(nil)
		s.mu.Unlock()
	}
	s.reloads.note(err)
	if s.config.Reload != nil {
		s.config.Reload(plan, problems, err)
	}
	return plan, problems, err
}

// plan is what reload would do.
func (s *Server) plan() (*api.Plan, config.Problems, error) {
	d := s.daemon.Load()
	if d == nil {
		return nil, nil, errors.New("weir is starting")
	}
	return d.Plan()
}

func (h *history) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.text = time.Now(), ""
	if err != nil {
		h.text = err.Error()
	}
}

// postReload answers what came of it; ?dry_run=true only what would, ?color=true colours the rendered problems for a terminal.
func (s *Server) postReload(w http.ResponseWriter, r *http.Request) {
	isDry := r.URL.Query().Get("dry_run") == "true"
	do := s.reload
	if isDry {
		do = s.plan
	}
	plan, problems, err := do()
	result := api.Reload{OK: err == nil, Problems: []api.Problem{}, DryRun: isDry, Plan: plan}
	status := http.StatusOK
	if err != nil {
		result.Error, status = err.Error(), statusOf(w, err, http.StatusUnprocessableEntity)
	}
	for _, p := range problems {
		result.Problems = append(result.Problems, api.Problem{File: p.Pos.File, Line: p.Pos.Line, Column: p.Pos.Col, Path: p.Path,
			Message: p.Message, Suggestion: p.Suggestion, Warning: p.Warning})
	}
	var rendered strings.Builder
	problems.Write(&rendered, r.URL.Query().Get("color") == "true")
	result.Rendered = rendered.String()
	answer(w, status, result)
}
