package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// returnPath connects to every server as a client that is not this machine: the connection stands only if the server's replies come back here.
func returnPath(j *Job) (list []Finding) {
	if !j.isTransparent() {
		return nil
	}
	end, err := j.setUp()
	if err != nil {
		return []Finding{fail("", "cannot be tried: %v", err)}
	}
	defer end()
	for i := range j.Pools {
		p := &j.Pools[i]
		for _, s := range p.Servers {
			switch {
			case p.ByClient && p.UDP:
				list = append(list, ok("pool %s: server %v takes datagrams: whether its replies come back through weir cannot be tried from here", p.Name, s))
			case p.ByClient:
				list = append(list, j.tryBack(p, s))
			}
		}
	}
	return list
}

// setUp does for the time of the check what `network: on` does.
func (j *Job) setUp() (end func(), err error) {
	t, err := netfilter.Open("")
	if err != nil {
		return nil, err
	}
	if err := t.Apply(&netfilter.Rules{Mark: j.Mark, Borrowed: true}); err != nil {
		t.Close()
		return nil, err
	}
	way := routing.Local{Mark: j.Mark, Table: j.Table}
	wasThere := way.IsThere()
	if err := way.Add(); err != nil {
		t.Close()
		return nil, err
	}
	return func() {
		t.Close()
		if !wasThere {
			way.Remove()
		}
	}, nil
}

func (j *Job) tryBack(p *Pool, s netip.AddrPort) Finding {
	client := j.clientFor(s.Addr())
	if !client.IsValid() {
		return doubt("", "pool %s: server %v is of a family that no client to try it as was given for", p.Name, s)
	}
	patience := j.Patience
	if patience == 0 {
		patience = time.Second
	}
	err := dialAs(client, s, patience)
	repair := fmt.Sprintf("on %v: ip route replace %v via %v", s.Addr(), everything(client), towards(s.Addr()))
	switch {
	case err == nil:
		return ok("pool %s: replies of %v to client %v come back through weir", p.Name, s, client)
	case errors.Is(err, syscall.ECONNREFUSED):
		return ok("pool %s: replies of %v to client %v come back through weir (it refuses connections just now)", p.Name, s, client)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		if dialAs(netip.Addr{}, s, patience) != nil {
			return doubt("", "pool %s: server %v answers nobody, not even weir's own address", p.Name, s)
		}
		return fail(repair, "pool %s: server %v answers weir, and its replies to client %v do not come back through weir", p.Name, s, client)
	}
	return doubt(repair, "pool %s: server %v as client %v: %v", p.Name, s, client, err)
}

func everything(a netip.Addr) string {
	if a.Is4() {
		return "default"
	}
	return "::/0"
}

func (j *Job) clientFor(server netip.Addr) netip.Addr {
	for _, c := range j.Client {
		if family(c) == family(server) {
			return c
		}
	}
	return netip.Addr{}
}

// dialAs connects from an address of which this machine has none; the zero value is its own.
func dialAs(client netip.Addr, to netip.AddrPort, patience time.Duration) error {
	d := net.Dialer{Timeout: patience}
	if client.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: client.AsSlice()}
		d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			controlled := raw.Control(func(fd uintptr) {
				if family(client) == unix.AF_INET {
					err = os.NewSyscallError("IP_TRANSPARENT", unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1))
				} else {
					err = os.NewSyscallError("IPV6_TRANSPARENT", unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1))
				}
			})
			return errors.Join(controlled, err)
		}
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return os.ErrDeadlineExceeded
		}
		return err
	}
	return c.Close()
}
