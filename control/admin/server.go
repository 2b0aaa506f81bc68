package admin

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
)

// Daemon is the running weir; a *lifecycle.Daemon is one.
type Daemon interface {
	State() string // of package api
	Status() *api.Status
	Config() *config.Config
	Reload() (*api.Plan, config.Problems, error)
	Plan() (*api.Plan, config.Problems, error) // of a Reload; changes nothing
	ChangeServer(api.ServerChange) (*api.ServerChanged, error)
	Kill(api.Kill) (*api.Killed, error)
	RevokeCertificate(context.Context, api.Revocation) (*api.Revoked, error)
}

// Config is what is fixed for a process.
type Config struct {
	Process func() *api.Process                                    // what the process may do; nil, or a nil answer: not known
	Version string                                                 // of weir
	File    string                                                 // of the configuration, as the operator named it
	Explain func(*http.Request) (any, error)                       // answers GET /explain once a daemon is attached; nil: there is no such route
	Log     *slog.Logger                                           // nil: slog's default
	Sockets map[string]int                                         // by address: those that another process has left, which are not opened anew
	Reload  func(p *api.Plan, problems config.Problems, err error) // told what came of each Reload; may be nil
	Later   func()                                                 // told of a Reload that has to wait, because another process takes over; may be nil
}

// Server answers on the admin addresses. Its methods may be called from any goroutine.
type Server struct {
	config  Config
	daemon  atomic.Pointer[attached]
	handler http.Handler           // of sockets: everything
	public  http.Handler           // of TCP addresses: monitoring, and the rest for those who have a token
	tokens  atomic.Pointer[tokens] // nil: none
	reloads history
	turn    sync.Mutex // one Reload at a time

	mu     sync.Mutex            // guards what follows
	open   map[string]*listening // by address
	ready  map[string]*listening // opened by Prepare and not served yet
	closed bool
	done   sync.WaitGroup

	toldNoSocket bool
}

type attached struct{ Daemon }

// history is what the daemon does not keep of its reloads.
type history struct {
	mu   sync.Mutex
	at   time.Time
	text string // of the last one's refusal
}

// New makes a server that answers nowhere yet and calls itself starting.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Server{config: c, open: map[string]*listening{}, ready: map[string]*listening{}}
	all := s.routes()
	s.handler = s.guarded(all)
	s.public = s.guarded(s.restricted(all))
	return s
}

// Attach gives the server the daemon that it speaks for.
func (s *Server) Attach(d Daemon) { s.daemon.Store(&attached{d}) }

// state is the daemon's; starting before there is one.
func (s *Server) state() string {
	if d := s.daemon.Load(); d != nil {
		return d.State()
	}
	return api.Starting
}

// status is the daemon's, with what only this process's start knows.
func (s *Server) status() *api.Status {
	st := &api.Status{State: api.Starting}
	if d := s.daemon.Load(); d != nil {
		st = d.Status()
	}
	st.Version, st.Config.File = s.config.Version, s.config.File
	if s.config.Process != nil {
		st.Process = s.config.Process()
	}
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	if at := s.reloads.at; !at.IsZero() {
		st.Config.LastReload, st.Config.LastError = &at, s.reloads.text
	}
	return st
}
