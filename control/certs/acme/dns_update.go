package acme

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// updates writes records by dynamic updates (RFC 2136), signed by TSIG (RFC 8945).
type updates struct {
	server    string
	keyName   string
	algorithm string
	client    dns.Client
}

func newUpdates(d *DNS) (certmagic.DNSProvider, error) {
	if d.Server == "" {
		return nil, errors.New("rfc2136 needs a server")
	}
	u := &updates{server: d.Server, client: dns.Client{Net: "tcp", Timeout: 10 * time.Second}}
	if _, _, err := net.SplitHostPort(u.server); err != nil {
		u.server = net.JoinHostPort(u.server, "53")
	}
	if d.KeyName != "" {
		u.keyName, u.algorithm = dns.Fqdn(d.KeyName), dns.HmacSHA256
		if d.Algorithm != "" {
			u.algorithm = dns.Fqdn(d.Algorithm)
		}
		u.client.TsigSecret = map[string]string{u.keyName: d.Key}
	}
	return u, nil
}

// AppendRecords adds the records.
func (u *updates) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, u.send(ctx, zone, records, (*dns.Msg).Insert)
}

// DeleteRecords takes exactly these records away.
func (u *updates) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, u.send(ctx, zone, records, (*dns.Msg).Remove)
}

func (u *updates) send(ctx context.Context, zone string, records []libdns.Record, change func(*dns.Msg, []dns.RR)) error {
	m := new(dns.Msg)
	m.SetUpdate(dns.Fqdn(zone))
	var list []dns.RR
	for _, r := range records {
		rr := r.RR()
		list = append(list, &dns.TXT{Txt: []string{rr.Data},
			Hdr: dns.RR_Header{Name: dns.Fqdn(libdns.AbsoluteName(rr.Name, zone)), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(rr.TTL.Seconds())}})
	}
	change(m, list)
	if u.keyName != "" {
		m.SetTsig(u.keyName, u.algorithm, 300, time.Now().Unix())
	}
	answer, _, err := u.client.ExchangeContext(ctx, m, u.server)
	if err != nil {
		return fmt.Errorf("update %s at %s: %w", zone, u.server, err)
	}
	if answer.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("update %s at %s: %s", zone, u.server, dns.RcodeToString[answer.Rcode])
	}
	return nil
}
