package peers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

var sockets atomic.Int32

// AdminSocket returns an admin socket of a weir, as unix:/path. The path is short: the system takes 107 bytes, and a test's directory may have more.
func AdminSocket() string {
	return fmt.Sprintf("unix:%s", filepath.Join(os.TempDir(), fmt.Sprintf("weir-%d-%d.sock", os.Getpid(), sockets.Add(1))))
}

// AdminClient is an HTTP client whose requests all go to the admin address, unix:/path or host:port, whatever their URL's host is.
func AdminClient(address string) *http.Client {
	dial := func(context.Context, string, string) (net.Conn, error) { return dialAny(address) }
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// AskAdmin gets a path of an admin address, unix:/path or host:port. What is asked while a new binary takes over is asked again, as weir's own commands do.
func AskAdmin(address, path string) (*http.Response, error) {
	for by := time.Now().Add(6 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		response, err := AdminClient(address).Get("http://localhost" + path)
		if err != nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || time.Now().After(by) {
			return response, err
		}
		response.Body.Close()
	}
}

// dialAny connects to unix:/path or host:port.
func dialAny(address string) (net.Conn, error) {
	if path, isSocket := strings.CutPrefix(address, "unix:"); isSocket {
		return net.DialTimeout("unix", path, time.Second)
	}
	return net.DialTimeout("tcp", address, time.Second)
}
