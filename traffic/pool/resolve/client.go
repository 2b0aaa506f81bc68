package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// client asks the DNS servers of one look-up.
type client struct {
	servers []string
	names   func(name string) []string // in the order in which they are to be tried (search list, ndots)
	timeout time.Duration
}

const (
	rounds  = 2  // times that each server is asked
	hopsMax = 12 // CNAMEs from a name to its addresses
	ednsUDP = 1232
)

// newClient reads resolv.conf anew: it changes when a laptop or a container moves.
func newClient(c Config) *client {
	client := &client{servers: c.Servers, timeout: c.Timeout, names: func(name string) []string { return []string{dns.Fqdn(name)} }}
	conf, err := dns.ClientConfigFromFile(c.ResolvConf)
	if err != nil {
		return client
	}
	client.names = conf.NameList
	if len(c.Servers) == 0 {
		for _, s := range conf.Servers {
			client.servers = append(client.servers, net.JoinHostPort(s, conf.Port))
		}
	}
	return client
}

// search asks for the name along the search list. No records without an error: the name or the type does not exist.
func (c *client) search(ctx context.Context, name string, rrtype uint16) ([]dns.RR, time.Duration, error) {
	var failed error
	for _, candidate := range c.names(name) {
		records, ttl, err := c.follow(ctx, candidate, rrtype)
		if len(records) > 0 {
			return records, ttl, nil
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	return nil, 0, failed
}

// follow asks for the name and, where the server leaves that to us, for what its CNAMEs lead to.
func (c *client) follow(ctx context.Context, name string, rrtype uint16) ([]dns.RR, time.Duration, error) {
	chain := chain{owner: strings.ToLower(name), ttl: time.Hour}
	for {
		asked := chain.owner
		reply, err := c.ask(ctx, asked, rrtype)
		if err != nil {
			return nil, 0, err
		}
		records, err := chain.walk(reply.Answer, rrtype)
		if err != nil || len(records) > 0 || chain.owner == asked {
			return records, chain.ttl, err
		}
	}
}

// chain is the way along CNAMEs, over one answer or several.
type chain struct {
	owner string
	hops  int
	ttl   time.Duration // the shortest seen
}

// walk goes as far as the answer leads and returns the records of the type that are there.
func (c *chain) walk(answer []dns.RR, rrtype uint16) ([]dns.RR, error) {
	for {
		var records []dns.RR
		var alias *dns.CNAME
		for _, rr := range answer {
			if !strings.EqualFold(rr.Header().Name, c.owner) {
				continue
			}
			if rr.Header().Rrtype == rrtype {
				records = append(records, rr)
				c.ttl = min(c.ttl, time.Duration(rr.Header().Ttl)*time.Second)
			} else if cname, isCNAME := rr.(*dns.CNAME); isCNAME {
				alias = cname
			}
		}
		if len(records) > 0 || alias == nil {
			return records, nil
		}
		if c.hops++; c.hops > hopsMax {
			return nil, fmt.Errorf("%s: more than %d CNAMEs", trimDot(c.owner), hopsMax)
		}
		c.owner = strings.ToLower(alias.Target)
		c.ttl = min(c.ttl, time.Duration(alias.Hdr.Ttl)*time.Second)
	}
}

// ask takes the first answer that a server gives, also that the name does not exist.
func (c *client) ask(ctx context.Context, name string, rrtype uint16) (*dns.Msg, error) {
	err := errors.New("no DNS server")
	for range rounds {
		for _, server := range c.servers {
			var reply *dns.Msg
			reply, err = c.exchange(ctx, server, name, rrtype)
			if err == nil || ctx.Err() != nil {
				return reply, err
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", trimDot(name), err)
}

// exchange asks one server, over TCP if the answer does not fit a datagram.
func (c *client) exchange(ctx context.Context, server, name string, rrtype uint16) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(name, rrtype)
	query.SetEdns0(ednsUDP, false)
	reply, err := c.over(ctx, "udp", server, query)
	if err == nil && reply.Truncated {
		reply, err = c.over(ctx, "tcp", server, query)
	}
	switch {
	case err != nil:
		return nil, err
	case !answers(reply, query):
		return nil, fmt.Errorf("%s answers another question", server)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s says %s", server, dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}

func (c *client) over(ctx context.Context, network, server string, query *dns.Msg) (*dns.Msg, error) {
	client := &dns.Client{Net: network, Timeout: c.timeout}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// The library does not look at ctx while it waits for the answer, and Close must not wait with it.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	reply, _, err := client.ExchangeWithConn(query, conn)
	return reply, err
}

// answers reports whether the reply is one to the query: a spoofed one has to guess all of it.
func answers(reply, query *dns.Msg) bool {
	if !reply.Response || len(reply.Question) != 1 {
		return false
	}
	got, want := reply.Question[0], query.Question[0]
	return got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}

func trimDot(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }
