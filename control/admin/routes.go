package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"

	"github.com/weir-proxy/weir/control/admin/api"
)

// route is a path and the one method that it takes.
type route struct {
	method string
	path   string
	serve  http.HandlerFunc
}

// routes are all that is answered. A new one is a row.
func (s *Server) routes() http.Handler {
	list := []route{
		{http.MethodGet, "/healthz", s.healthz},
		{http.MethodGet, "/readyz", s.readyz},
		{http.MethodGet, "/status", s.getStatus},
		{http.MethodGet, "/metrics", s.metrics().ServeHTTP},
		{http.MethodPost, "/reload", s.postReload},
		{http.MethodPost, "/servers", s.postServers},
		{http.MethodPost, "/kill", s.postKill},
		{http.MethodPost, "/certificates/revoke", s.postRevoke},
		{http.MethodGet, "/debug/pprof/profile", pprof.Profile},
		{http.MethodGet, "/debug/pprof/heap", heapProfile},
		{http.MethodGet, "/debug/pprof/goroutine", pprof.Handler("goroutine").ServeHTTP},
	}
	if s.config.Explain != nil {
		list = append(list, route{http.MethodGet, "/explain", s.explain})
	}
	byPath := map[string]route{}
	for _, r := range list {
		byPath[r.path] = r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { dispatch(byPath, w, r) })
}

// dispatch takes paths as they are written: no cleaning, no decoding, no redirect.
func dispatch(routes map[string]route, w http.ResponseWriter, r *http.Request) {
	to, found := routes[r.URL.EscapedPath()]
	switch {
	case !found:
		fail(w, http.StatusNotFound, "there is no such path")
	case r.Method == to.method || r.Method == http.MethodHead && to.method == http.MethodGet:
		to.serve(w, r)
	default:
		w.Header().Set("Allow", to.method)
		fail(w, http.StatusMethodNotAllowed, "this path takes "+to.method)
	}
}

// healthz says whether the process lives and its loops turn.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	state := s.state()
	answerState(w, state, state != api.Stuck)
}

// readyz says whether new work should come here.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	state := s.state()
	answerState(w, state, state == api.Running)
}

func answerState(w http.ResponseWriter, state string, ok bool) {
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, api.State{State: state})
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request) {
	st := s.status()
	if st.IsShared {
		fail(w, statusOf(w, api.ErrHanding, http.StatusOK), api.ErrHanding.Error())
		return
	}
	answer(w, http.StatusOK, st)
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	if s.daemon.Load() == nil {
		fail(w, http.StatusServiceUnavailable, "weir is starting")
		return
	}
	v, err := s.config.Explain(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, v)
}

// running is the weir that answers for changes, and what the request's body asks of it; nil: there is an answer already.
func (s *Server) running(w http.ResponseWriter, r *http.Request, asked any) *attached {
	d := s.daemon.Load()
	if d == nil {
		fail(w, http.StatusServiceUnavailable, "weir is starting")
		return nil
	}
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(asked); err != nil {
		fail(w, http.StatusBadRequest, "the body: "+err.Error())
		return nil
	}
	return d
}

func fail(w http.ResponseWriter, status int, text string) { answer(w, status, api.Error{Error: text}) }

// statusOf is the status of an error; who asks while another process takes over may ask again, and be answered by that.
func statusOf(w http.ResponseWriter, err error, otherwise int) int {
	if !errors.Is(err, api.ErrHanding) {
		return otherwise
	}
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close")
	return http.StatusServiceUnavailable
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v) // an error here is the client's going away
}
