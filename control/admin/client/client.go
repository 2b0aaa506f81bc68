package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// Timeout bounds a call: a reload may read many files.
const Timeout = 60 * time.Second

// TokenVariable is the environment variable that holds the token for TCP addresses.
const TokenVariable = "WEIR_TOKEN"

// answerMax bounds an answer: the status of a hundred thousand servers.
const answerMax = 256 << 20

// Client asks one weir. Its methods may be called from any goroutine.
type Client struct {
	address string
	token   string
	wrong   error // the address cannot be one
	http    *http.Client
}

// found is the default socket at which there is one; the usual one if there is none.
func found() string {
	places := api.Sockets()
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return "unix:" + path
		}
	}
	return "unix:" + places[0]
}

// New makes a client for an admin address: unix:/path or a path for a socket, host:port or a bare port for TCP, also as http://host:port. Without an address it is the
// first default socket that exists. Over TCP it shows the token of the environment variable WEIR_TOKEN, if there is one: on a command line every user of the machine could
// read it.
func New(address string) *Client {
	if address == "" {
		address = found()
	}
	network, at, wrong := split(address)
	if network == "unix" {
		address = "unix:" + at
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, at)
	}
	token := ""
	if network == "tcp" {
		token = os.Getenv(TokenVariable)
	}
	return &Client{address: address, token: token, wrong: wrong, http: &http.Client{Timeout: Timeout,
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		// A redirect is no answer of a weir.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// split tells sockets from TCP addresses. What has neither a colon nor is a number is the path of a socket.
func split(address string) (network, at string, err error) {
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		return "unix", path, nil
	}
	if scheme, rest, isURL := strings.Cut(address, "://"); isURL {
		rest = strings.TrimSuffix(rest, "/")
		if _, _, err := net.SplitHostPort(rest); scheme != "http" || err != nil {
			return "", "", fmt.Errorf("--address %s: expected the path of a socket, such as /run/weir/admin.sock, or host:port", address)
		}
		return "tcp", rest, nil
	}
	_, notPort := strconv.ParseUint(address, 10, 16)
	switch {
	case notPort == nil:
		return "tcp", "127.0.0.1:" + address, nil
	case strings.Contains(address, "/") || !strings.Contains(address, ":"):
		return "unix", address, nil
	case strings.HasPrefix(address, ":"):
		return "tcp", "127.0.0.1" + address, nil
	}
	return "tcp", address, nil
}

// Unreachable is an address at which nobody answers.
type Unreachable struct {
	Address string
	Err     error
}

func (u *Unreachable) Error() string {
	if errors.Is(u.Err, os.ErrPermission) {
		return fmt.Sprintf("no permission to use %s: %v; run the command as root or as the user that weir runs as", u.Address, cause(u.Err))
	}
	return fmt.Sprintf("no weir answers at %s (%v); start one with 'weir run', or name its admin socket with --address", u.Address, cause(u.Err))
}

func (u *Unreachable) Unwrap() error { return u.Err }

// cause is the innermost error: what is around it repeats the address.
func cause(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}

// Status asks what weir says of itself.
func (c *Client) Status(ctx context.Context) (*api.Status, error) {
	st := &api.Status{}
	return st, c.ask(ctx, http.MethodGet, "/status", st, http.StatusOK)
}

// ReloadOptions say how a reload is asked for.
type ReloadOptions struct {
	DryRun bool // only the plan is wanted
	Color  bool // of the rendered problems
}

// Reload has weir read its configuration again. That it was refused is no error but in the answer.
func (c *Client) Reload(ctx context.Context, o ReloadOptions) (*api.Reload, error) {
	r := &api.Reload{}
	return r, c.ask(ctx, http.MethodPost, fmt.Sprintf("/reload?dry_run=%t&color=%t", o.DryRun, o.Color), r, http.StatusOK, http.StatusUnprocessableEntity)
}

// ChangeServer changes a server at run time.
func (c *Client) ChangeServer(ctx context.Context, change api.ServerChange) (*api.ServerChanged, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	changed := &api.ServerChanged{}
	return changed, c.send(ctx, http.MethodPost, "/servers", body, changed, http.StatusOK)
}

// Kill ends connections.
func (c *Client) Kill(ctx context.Context, k api.Kill) (*api.Killed, error) {
	body, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	killed := &api.Killed{}
	return killed, c.send(ctx, http.MethodPost, "/kill", body, killed, http.StatusOK)
}

// Revoke has a certificate revoked, and waits for the authority.
func (c *Client) Revoke(ctx context.Context, r api.Revocation) (*api.Revoked, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	revoked := &api.Revoked{}
	return revoked, c.send(ctx, http.MethodPost, "/certificates/revoke", body, revoked, http.StatusOK)
}

// Get asks for a path, query included, and decodes the answer into what.
func (c *Client) Get(ctx context.Context, path string, what any) error {
	return c.ask(ctx, http.MethodGet, path, what, http.StatusOK)
}

func (c *Client) ask(ctx context.Context, method, path string, into any, expected ...int) error {
	return c.send(ctx, method, path, nil, into, expected...)
}

// What is asked while a new binary takes over is asked again, for retryFor: longer than that may take by default.
const (
	retryFor   = 20 * time.Second
	retryEvery = 100 * time.Millisecond
)

func (c *Client) send(ctx context.Context, method, path string, body []byte, into any, expected ...int) error {
	return c.sendUntil(ctx, time.Now().Add(retryFor), method, path, body, into, expected...)
}

func (c *Client) sendUntil(ctx context.Context, by time.Time, method, path string, body []byte, into any, expected ...int) error {
	if c.wrong != nil {
		return c.wrong
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Weir", "1")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.failed(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "" && time.Until(by) > retryEvery {
		time.Sleep(retryEvery) // another process is taking over, which answers then
		return c.sendUntil(ctx, by, method, path, body, into, expected...)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return fmt.Errorf("%s: %w", c.address, err)
	}
	for _, status := range expected {
		if response.StatusCode == status {
			if err := json.Unmarshal(body, into); err != nil {
				return fmt.Errorf("%s does not answer like a weir: %w", c.address, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s: %s: %s", c.address, response.Status, said(body))
}

// failed tells nobody there from everything else.
func (c *Client) failed(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &Unreachable{c.address, err}
	}
	return fmt.Errorf("%s: %w", c.address, cause(err))
}

// said is what the body of a refusal says, fit for a terminal.
func said(body []byte) string {
	var e api.Error
	if json.Unmarshal(body, &e) == nil && e.Error != "" {
		return e.Error
	}
	if len(body) > 200 {
		body = body[:200]
	}
	return fmt.Sprintf("%q", bytes.TrimSpace(body))
}
