package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/weir-proxy/weir/traffic/pool"
)

// recordsMax bounds the servers that one name can bring.
const recordsMax = 256

var errNoAddress = errors.New("no address")

// lookup resolves one target again and again and remembers, for each host, the last good answer of each type: a name server
// that fails for AAAA alone must not take away the IPv6 servers, nor hide the IPv4 ones. Owned by one goroutine.
type lookup struct {
	config Config
	hosts  map[string]*host // by name; one, or the targets of SRV
}

// host is the last good answers for a name.
type host struct {
	v4, v6 []netip.Addr
	none   gone
}

// resolve is the target's records in a fixed order, and how long they hold.
func (l *lookup) resolve(ctx context.Context, t pool.Target) ([]pool.Record, time.Duration, error) {
	client := newClient(l.config)
	if t.IsSRV() {
		return l.services(ctx, client, t.Name)
	}
	addresses, ttl, err := l.addresses(ctx, client, t.Name)
	if err != nil {
		return nil, 0, err
	}
	var records []pool.Record
	for _, a := range addresses {
		records = append(records, pool.Record{Address: netip.AddrPortFrom(a, t.Port)})
	}
	return limit(records), ttl, nil
}

// services resolves the hosts of an SRV name. Hosts without an address are left out as long as one has some.
func (l *lookup) services(ctx context.Context, c *client, name string) ([]pool.Record, time.Duration, error) {
	found, ttl, err := c.search(ctx, name, dns.TypeSRV)
	if err != nil {
		return nil, 0, err
	}
	var records []pool.Record
	for _, rr := range found[:min(len(found), recordsMax)] {
		srv := rr.(*dns.SRV)
		if srv.Target == "." {
			continue // RFC 2782: "A Target of "." means that the service is decidedly not available at this domain."
		}
		target := trimDot(srv.Target)
		addresses, hostTTL, hostErr := l.addresses(ctx, c, target)
		if hostErr != nil {
			err, hostTTL = hostErr, l.config.Retry
		}
		ttl = min(ttl, hostTTL)
		for _, a := range addresses {
			records = append(records, pool.Record{Address: netip.AddrPortFrom(a, srv.Port), Host: target,
				Weight: max(1, int(srv.Weight)), Priority: int(srv.Priority)})
		}
	}
	if len(records) == 0 {
		return nil, 0, cmp.Or(err, fmt.Errorf("%s: %w", name, errNoAddress))
	}
	return limit(records), ttl, nil
}

// addresses is all addresses of a host name, from the hosts file if it has any. With an error it still gives the last good
// ones, if there are some.
func (l *lookup) addresses(ctx context.Context, c *client, name string) ([]netip.Addr, time.Duration, error) {
	if addresses := fromHosts(l.config.Hosts, name); len(addresses) > 0 {
		return addresses, hostsTTL, nil
	}
	if len(c.servers) == 0 {
		return bySystem(ctx, name, l.config.Timeout)
	}
	h := l.hosts[name]
	if h == nil {
		h = &host{}
		l.hosts[name] = h
	}
	rr4, ttl4, err4 := c.search(ctx, name, dns.TypeA)
	rr6, ttl6, err6 := c.search(ctx, name, dns.TypeAAAA)
	if len(rr4)+len(rr6) == 0 {
		err := cmp.Or(err4, err6, fmt.Errorf("%s: %w", name, errNoAddress))
		if h.none.is(err, l.config.Gone) {
			h.v4, h.v6 = nil, nil
		}
		return h.all(), 0, err
	}
	h.none = gone{}
	ttl := l.config.TTLMax
	if err4 == nil {
		h.v4, ttl = addressesOf(rr4), min(ttl, orMax(ttl4, len(rr4)))
	}
	if err6 == nil {
		h.v6, ttl = addressesOf(rr6), min(ttl, orMax(ttl6, len(rr6)))
	}
	return h.all(), ttl, nil
}

func (h *host) all() []netip.Addr { return slices.Concat(h.v4, h.v6) }

// orMax is the ttl of an answer with records; an empty one must not be asked for more often than its sibling.
func orMax(ttl time.Duration, records int) time.Duration {
	if records == 0 {
		return 1<<63 - 1
	}
	return ttl
}

func addressesOf(rrs []dns.RR) []netip.Addr {
	var list []netip.Addr
	for _, rr := range rrs {
		switch rr := rr.(type) {
		case *dns.A:
			if a, isOK := netip.AddrFromSlice(rr.A.To4()); isOK {
				list = append(list, a)
			}
		case *dns.AAAA:
			if a, isOK := netip.AddrFromSlice(rr.AAAA); isOK {
				list = append(list, a)
			}
		}
	}
	return list
}

// bySystem asks the operating system's resolver where there is no DNS server that could be asked; it tells no TTL.
func bySystem(ctx context.Context, name string, timeout time.Duration) ([]netip.Addr, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, systemTTL, err
}

const systemTTL = 30 * time.Second

// limit sorts, so that a name server that rotates its answers changes nothing, drops doubles and cuts.
func limit(records []pool.Record) []pool.Record {
	slices.SortFunc(records, func(a, b pool.Record) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.Address.Compare(b.Address), cmp.Compare(a.Host, b.Host))
	})
	records = slices.Compact(records)
	return records[:min(len(records), recordsMax)]
}
