package acme

import (
	"fmt"
	"time"

	"github.com/caddyserver/certmagic"
)

// DNS is how records for dns-01 come into being. What a provider does not know stays zero.
type DNS struct {
	Provider  string
	Server    string // rfc2136: host:port; acme-dns: URL; cloudflare: URL of the API, for tests
	KeyName   string // rfc2136: of the TSIG key
	Key       string // rfc2136: in base64
	Algorithm string // rfc2136: hmac-sha256 and its like
	Token     string // cloudflare
	User      string // acme-dns
	Password  string
	Subdomain string
	Command   []string // exec
	Resolvers []string // host:port that are asked whether a record is there; none: the zone's own
	Override  string   // the name that the record is written to in place of _acme-challenge.NAME, which is an alias of it
	Delay     time.Duration
	Timeout   time.Duration // 0: two minutes
}

// providers make records. A new one is a file and a row.
var providers = map[string]func(*DNS) (certmagic.DNSProvider, error){
	"rfc2136":    newUpdates,
	"cloudflare": newCloudflare,
	"acme-dns":   newACMEDNS,
	"exec":       newCommand,
}

func (d *DNS) solver() (*certmagic.DNS01Solver, error) {
	made, known := providers[d.Provider]
	if !known {
		return nil, fmt.Errorf("no dns provider %q", d.Provider)
	}
	provider, err := made(d)
	if err != nil {
		return nil, err
	}
	return &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{DNSProvider: provider, Resolvers: d.Resolvers, OverrideDomain: d.Override,
		PropagationDelay: d.Delay, PropagationTimeout: d.Timeout, TTL: time.Minute}}, nil
}
