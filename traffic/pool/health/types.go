package health

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// types is the family of checks: each is steps over one connection. A new one is a file with its step and a row.
var types = []struct {
	name  string
	steps []func(ctx context.Context, p *probe) error
}{
	{"http", []func(context.Context, *probe) error{connect, ask}},
	{"https", []func(context.Context, *probe) error{connect, encrypt, ask}},
	{"http3", []func(context.Context, *probe) error{askHTTP3}},
	{"tcp", []func(context.Context, *probe) error{connect}},
	{"tls", []func(context.Context, *probe) error{connect, encrypt}},
	{"grpc", []func(context.Context, *probe) error{connect, encryptHTTP2, askGRPC}},
	{"script", []func(context.Context, *probe) error{connect, encryptIfAsked, converse}},
	{"udp", []func(context.Context, *probe) error{connectPackets, converse}},
	{"exec", []func(context.Context, *probe) error{execute}},
}

// Types are the words that Config.Type takes.
func Types() []string {
	names := make([]string, len(types))
	for i := range types {
		names[i] = types[i].name
	}
	return names
}

// Dial opens a connection, as net.Dialer.DialContext does, from an own address; the zero value leaves that to the system.
type Dial func(ctx context.Context, network string, from netip.Addr, address string) (net.Conn, error)

func dial(ctx context.Context, network string, from netip.Addr, address string) (net.Conn, error) {
	var d net.Dialer
	switch {
	case !from.IsValid():
	case network == "udp":
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	default:
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, network, address)
}

// probe is one check of one server under way.
type probe struct {
	Config
	pool     string
	server   *pool.Server
	dial     Dial
	turn     uint        // of the source
	kept     net.Conn    // of the check before; after run, what the next one may use
	conn     net.Conn    // after connect
	isReused bool        // conn was kept
	isWhole  bool        // the answer was read to its end and the server lets the connection live
	stop     func() bool // ends the watch over conn that connect began
}

// run does the steps of the check's type within its timeout. A failure over a kept connection may be that connection's alone: it is asked again
// over a new one.
func (p *probe) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	err := p.steps(ctx)
	if err != nil && p.isReused && ctx.Err() == nil {
		err = p.steps(ctx)
	}
	return err
}

// steps does them once.
func (p *probe) steps(ctx context.Context) error {
	p.conn, p.isWhole = nil, false
	err := p.attempt(ctx)
	if p.conn == nil {
		return err
	}
	if p.stop() && err == nil && p.Reuse && p.isWhole {
		p.kept = p.conn
	} else {
		p.conn.Close()
	}
	return err
}

func (p *probe) attempt(ctx context.Context) error {
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
func connect(ctx context.Context, p *probe) error { return open(ctx, p, p.address().Network()) }

// connectPackets is connect for datagrams: nothing is said yet, and nobody need be there.
func connectPackets(ctx context.Context, p *probe) error { return open(ctx, p, "udp") }

func open(ctx context.Context, p *probe, network string) error {
	a, conn := p.address(), p.kept
	p.kept, p.isReused = nil, conn != nil
	if conn == nil {
		var err error
		if conn, err = p.dialFrom(ctx, network, a.String()); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	p.conn = conn
	if deadline, isSet := ctx.Deadline(); isSet {
		conn.SetDeadline(deadline)
	}
	p.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return nil
}

// dialFrom opens a connection as traffic does: from an own address of the pool, and with the PROXY header in front.
func (p *probe) dialFrom(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := p.dial(ctx, network, p.source(), address)
	if err != nil || p.Proxy == 0 {
		return conn, err
	}
	if network == "udp" {
		return headed{conn, proxyproto.AppendV2(nil, &proxyproto.Header{IsLocal: true, IsDatagram: true})}, nil
	}
	if deadline, isSet := ctx.Deadline(); isSet {
		conn.SetDeadline(deadline)
	}
	if _, err := conn.Write(p.proxyHeader()); err != nil {
		conn.Close()
		return nil, fmt.Errorf("PROXY header: %w", err)
	}
	return conn, nil
}

// headed is a connection of datagrams, each of which has a header in front.
type headed struct {
	net.Conn
	head []byte
}

// Write sends a datagram.
func (c headed) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(slices.Concat(c.head, b))
	return max(0, n-len(c.head)), err
}

// proxyHeader says that the connection is weir's own, as no client's.
func (p *probe) proxyHeader() []byte {
	if p.Proxy == 1 {
		return proxyproto.AppendV1(nil, netip.AddrPort{}, netip.AddrPort{})
	}
	return proxyproto.AppendV2(nil, &proxyproto.Header{IsLocal: true})
}

// source is the own address that fits the server's family and is next in turn; the zero value: the system chooses.
func (p *probe) source() netip.Addr {
	to := p.address()
	if to.Path != "" {
		return netip.Addr{}
	}
	var fitting []netip.Addr
	for _, a := range p.Sources {
		if a.Is4() == to.AddrPort.Addr().Unmap().Is4() {
			fitting = append(fitting, a)
		}
	}
	if len(fitting) == 0 {
		return netip.Addr{}
	}
	return fitting[p.turn%uint(len(fitting))]
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
