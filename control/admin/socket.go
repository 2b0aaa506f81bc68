package admin

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
)

// socketFor returns the path of the Unix socket that a means; empty for none. Where nobody has named a socket, it is the first of the default places that this
// process can write to, and one that is open already stays.
func (s *Server) socketFor(a *config.Admin) string {
	path := string(a.Socket)
	if path != config.DefaultAdminSocket {
		return path
	}
	places := api.Sockets()
	for _, place := range places {
		if s.open["unix:"+place] != nil {
			return place
		}
	}
	var err error
	for _, place := range places {
		if err = writable(filepath.Dir(place)); err == nil {
			return place
		}
	}
	if !s.toldNoSocket {
		s.toldNoSocket = true
		s.config.Log.Warn("there is no admin socket: 'weir status', 'weir reload' and others will not find this weir; name a socket with admin.socket", "error", err)
	}
	return ""
}

// writable makes the directory if there is none, and reports why no file can be made in it.
func writable(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	const write, search = 2, 1
	if err := syscall.Access(directory, write|search); err != nil {
		return &os.PathError{Op: "write to", Path: directory, Err: err}
	}
	return nil
}

func listen(at string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(at, "unix:")
	if !isUnix {
		return net.Listen("tcp", at)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	removeStale(path)
	// Mode 0600 from the first moment: the file takes the mode of the socket that is bound to it.
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if e := raw.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); e != nil {
			return e
		}
		return err
	}}
	l, err := c.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	// Elsewhere than on Linux the socket's mode means nothing.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale removes a socket that a dead process left behind: nobody answers there.
func removeStale(path string) {
	if st, err := os.Stat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
		return
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		os.Remove(path)
	}
}
