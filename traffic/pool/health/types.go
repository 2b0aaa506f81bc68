package health

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/weir-proxy/weir/traffic/pool"
)

// types is the family of checks: each is steps over one connection. A new one is a file with its step and a row.
var types = []struct {
	name  string
	steps []func(ctx context.Context, p *probe) error
}{
	{"http", []func(context.Context, *probe) error{connect, ask}},
	{"https", []func(context.Context, *probe) error{connect, encrypt, ask}},
	{"tcp", []func(context.Context, *probe) error{connect}},
	{"tls", []func(context.Context, *probe) error{connect, encrypt}},
}

// Types are the words that Config.Type takes.
func Types() []string {
	names := make([]string, len(types))
	for i := range types {
		names[i] = types[i].name
	}
	return names
}

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// probe is one check of one server under way.
type probe struct {
	Config
	server *pool.Server
	dial   Dial
	conn   net.Conn    // after connect
	stop   func() bool // ends the watch over conn that connect began
}

// run does the steps of the check's type within its timeout.
func (p *probe) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	defer func() {
		if p.conn != nil {
			p.stop()
			p.conn.Close()
		}
	}()
	for _, t := range types {
		if t.name == p.Type {
			for _, step := range t.steps {
				if err := step(ctx, p); err != nil {
					return err
				}
			}
			return nil
		}
	}
	panic("BUG: no health check of type " + p.Type)
}

// connect opens the connection that the later steps use; ctx ends whatever waits on it.
func connect(ctx context.Context, p *probe) error {
	a := p.address()
	conn, err := p.dial(ctx, a.Network(), a.String())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	p.conn = conn
	if deadline, isSet := ctx.Deadline(); isSet {
		conn.SetDeadline(deadline)
	}
	p.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return nil
}

// address is the server's, with the check's own port if it has one.
func (p *probe) address() pool.Address {
	a := p.server.Address
	if p.Port != 0 && a.Path == "" {
		a.AddrPort = netip.AddrPortFrom(a.AddrPort.Addr(), p.Port)
	}
	return a
}

// host is the name that the server is asked by, without port.
func (p *probe) host() string {
	switch {
	case p.Host != "":
		if host, _, err := net.SplitHostPort(p.Host); err == nil {
			return host
		}
		return p.Host
	case p.server.Host != "":
		return p.server.Host
	case p.server.Address.Path != "":
		return "localhost"
	}
	return p.server.Address.AddrPort.Addr().WithZone("").String()
}

// authority is the Host field's value: as configured, or the server's own.
func (p *probe) authority(plainPort uint16) string {
	port := p.address().AddrPort.Port()
	switch {
	case p.Host != "":
		return p.Host
	case port == plainPort || port == 0:
		return bracketed(p.host())
	}
	return net.JoinHostPort(p.host(), strconv.Itoa(int(port)))
}

func bracketed(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}
