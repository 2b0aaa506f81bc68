package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/config"
)

// Limits of what a client may take.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 60 * time.Second
	closeTimeout  = 5 * time.Second // answers under way when an address is given up
	headerMax     = 16 << 10
	bodyMax       = 64 << 10
	connectionMax = 256 // at a time, of one address; then one without a request makes room, or the next is closed at once
)

// listening is an address that is answered on. Each has a server of its own, so that giving it up ends its idle connections too.
type listening struct {
	socket net.Listener
	server *http.Server
}

// isPrivate reports whether the file system decides who can connect.
func (l *listening) isPrivate() bool { return l.socket.Addr().Network() == "unix" }

// Prepare opens the addresses of cfg that are not open yet and holds them until Apply. What cannot be opened is a problem with its place,
// and then nothing is held.
func (s *Server) Prepare(cfg *config.Config) config.Problems {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.prepare(&cfg.Admin); err != nil {
		return config.Problems{cfg.ProblemAt("admin", "%v", err)}
	}
	return nil
}

// Probe finds out what Prepare could not open, and holds nothing.
func (s *Server) Probe(cfg *config.Config) config.Problems {
	problems := s.Prepare(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discard(nil)
	return problems
}

// Apply makes the addresses of cfg the ones that are answered on: new ones are opened, old ones closed, those that stay are not touched. On
// an error nothing has changed.
func (s *Server) Apply(cfg *config.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.prepare(&cfg.Admin); err != nil {
		return err
	}
	s.tokens.Store(newTokens(cfg.Admin.Tokens))
	for at, l := range s.ready {
		s.serve(at, l)
	}
	clear(s.ready)
	wanted := s.addresses(&cfg.Admin)
	for at, l := range s.open {
		if !slices.Contains(wanted, at) {
			delete(s.open, at)
			s.done.Go(l.shut)
		}
	}
	return nil
}

// Addresses are those that are answered on.
func (s *Server) Addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.open))
}

// SocketPaths are the paths of the Unix sockets that are answered on, or will be once Apply has been called.
func (s *Server) SocketPaths() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range []map[string]*listening{s.open, s.ready} {
		for at := range list {
			if path, isSocket := strings.CutPrefix(at, "unix:"); isSocket {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// Close gives up all addresses and returns when the last answer has been given.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.discard(nil)
	for at, l := range s.open {
		delete(s.open, at)
		s.done.Go(l.shut)
	}
	s.mu.Unlock()
	s.done.Wait()
}

// prepare fills ready with what is to be opened; all or nothing.
func (s *Server) prepare(a *config.Admin) error {
	if s.closed {
		return errors.New("admin: closed")
	}
	wanted := s.addresses(a)
	s.discard(wanted)
	for _, at := range wanted {
		if s.open[at] != nil || s.ready[at] != nil {
			continue
		}
		socket, err := s.inherit(at)
		if socket == nil && err == nil {
			socket, err = listen(at)
		}
		if err != nil {
			s.discard(nil)
			return fmt.Errorf("the admin address cannot be opened: %w", err)
		}
		s.ready[at] = &listening{socket: socket}
	}
	return nil
}

// inherit is the listener of a socket that another process has left; nil if there is none. It is given out once.
func (s *Server) inherit(at string) (net.Listener, error) {
	fd, found := s.config.Sockets[at]
	if !found {
		return nil, nil
	}
	delete(s.config.Sockets, at)
	f := os.NewFile(uintptr(fd), at)
	defer f.Close()
	return net.FileListener(f)
}

// Sockets are copies of the sockets that are listened on, for another process, by address.
func (s *Server) Sockets() (map[string]*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := map[string]*os.File{}
	for at, l := range s.open {
		f, err := l.socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			return files, err
		}
		files[at] = f
	}
	return files, nil
}

// Leave is Close for a process whose sockets another one has: the path of a Unix socket stays.
func (s *Server) Leave() {
	s.mu.Lock()
	for _, l := range s.open {
		if u, ok := l.socket.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
	}
	s.mu.Unlock()
	s.Close()
}

// discard closes what was prepared and is not wanted.
func (s *Server) discard(wanted []string) {
	for at, l := range s.ready {
		if !slices.Contains(wanted, at) {
			l.socket.Close()
			delete(s.ready, at)
		}
	}
}

func (s *Server) serve(at string, l *listening) {
	l.server = &http.Server{
		Handler:           holding(s.handlerOf(l)),
		ConnContext:       withConn,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMax,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelWarn),
	}
	s.open[at] = l
	if tcp, ok := l.socket.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		s.config.Log.Warn("the admin address is not a loopback address: whoever reaches it can read the metrics, and tokens cross the network unencrypted", "address", at)
	}
	s.done.Go(func() {
		if err := l.server.Serve(&limited{Listener: l.socket}); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.Error("the admin address is not answered on any more", "address", at, "error", err)
		}
	})
}

func (l *listening) shut() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		l.server.Close()
	}
}

// addresses are the single ones that are meant, as text.
func (s *Server) addresses(a *config.Admin) (list []string) {
	if a.Off {
		return nil
	}
	if path := s.socketFor(a); path != "" {
		list = append(list, "unix:"+path)
	}
	for _, address := range a.Address {
		for _, one := range address.AddrPorts() {
			list = append(list, config.Address{IP: address.IP, First: one.Port(), Last: one.Port()}.String())
		}
	}
	return list
}
