package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// Config is how certificates are obtained.
type Config struct {
	Email      string
	CAs        []string // directory URLs, or words of Authorities; the next is asked when one fails
	Roots      *x509.CertPool
	Challenges []string // words of Challenges; none: all that can be done
	DNS        *DNS     // nil: dns cannot be done
	EAB        *EAB
	Profile    string
	Directory  string        // where what was obtained is kept
	Check      time.Duration // how often it is looked whether something is to be renewed; 0: 10 minutes
	Log        *slog.Logger
	OnChange   func() // called, from any goroutine, when there may be other certificates
}

// EAB is an account at the authority that the ACME account is bound to (RFC 8555 section 7.3.4).
type EAB struct{ KeyID, Key string }

// authorities are the names by which public authorities may be called.
var authorities = map[string]string{
	"letsencrypt":         certmagic.LetsEncryptProductionCA,
	"letsencrypt-staging": certmagic.LetsEncryptStagingCA,
	"zerossl":             certmagic.ZeroSSLProductionCA,
	"google":              "https://dv.acme-v02.api.pki.goog/directory",
}

// Client obtains and renews. It may be used by several goroutines.
type Client struct {
	magic  *certmagic.Config
	cache  *certmagic.Cache
	busy   net.Listener // see keepBusy
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	names []string // managed, sorted
	known map[string][]*tls.Certificate
}

// New begins with nothing managed.
func New(c Config) (*Client, error) {
	busy, err := keepBusy()
	if err != nil {
		return nil, err
	}
	client := &Client{busy: busy, known: map[string][]*tls.Certificate{}}
	client.ctx, client.cancel = context.WithCancel(context.Background())
	log := newLogger(c.Log)
	client.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return client.magic, nil },
		RenewCheckInterval: c.Check, Logger: log,
	})
	client.magic = certmagic.New(client.cache, certmagic.Config{
		Storage: storage{&certmagic.FileStorage{Path: c.Directory}},
		Logger:  log,
		OnEvent: func(_ context.Context, event string, _ map[string]any) error {
			if c.OnChange != nil && (event == "cached_managed_cert" || event == "cert_obtained") {
				// A renewal is in the cache some moments after it was obtained, and nothing tells when.
				time.AfterFunc(50*time.Millisecond, c.OnChange)
				time.AfterFunc(500*time.Millisecond, c.OnChange)
			}
			return nil
		},
	})
	template, err := c.template(busy)
	if err != nil {
		client.Close()
		return nil, err
	}
	template.Logger = log
	client.magic.Issuers = nil
	for _, ca := range c.CAs {
		t := *template
		t.CA = ca
		if url, known := authorities[ca]; known {
			t.CA = url
		}
		client.magic.Issuers = append(client.magic.Issuers, certmagic.NewACMEIssuer(client.magic, t))
	}
	return client, nil
}

// keepBusy takes a port of this machine and never answers on it. certmagic opens a server of its own for a challenge unless its port is taken; weir answers
// challenges on its own listeners, so certmagic is told a port that is.
func keepBusy() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return l, nil
}

// template is what the issuers of all authorities have in common.
func (c *Config) template(busy net.Listener) (*certmagic.ACMEIssuer, error) {
	port := busy.Addr().(*net.TCPAddr).Port
	t := &certmagic.ACMEIssuer{Email: c.Email, Agreed: true, Profile: c.Profile, TrustedRoots: c.Roots,
		ListenHost: "127.0.0.1", AltHTTPPort: port, AltTLSALPNPort: port,
		DisableHTTPChallenge: !c.allows("http"), DisableTLSALPNChallenge: !c.allows("tls-alpn")}
	if c.EAB != nil {
		t.ExternalAccount = &acme.EAB{KeyID: c.EAB.KeyID, MACKey: c.EAB.Key}
	}
	if c.DNS != nil && c.allows("dns") {
		solver, err := c.DNS.solver()
		if err != nil {
			return nil, err
		}
		t.DNS01Solver = solver
	}
	return t, nil
}

func (c *Config) allows(challenge string) bool {
	return len(c.Challenges) == 0 || slices.Contains(c.Challenges, challenge)
}

// loadedWithin bounds how long Manage waits for certificates to be read that were obtained earlier.
const loadedWithin = 3 * time.Second

// settleFor is the time between a start, or a reload, and what it has obtained.
const settleFor = time.Second

// Manage makes the names those whose certificates are obtained and renewed, until it is called again. What was obtained earlier is there when it returns;
// the rest follows.
func (c *Client) Manage(names []string) {
	names = slices.Clone(names)
	slices.Sort(names)
	c.mu.Lock()
	var gone []certmagic.SubjectIssuer
	for _, n := range c.names {
		if _, still := slices.BinarySearch(names, n); !still {
			gone = append(gone, certmagic.SubjectIssuer{Subject: n})
		}
	}
	c.names = names
	c.mu.Unlock()
	c.cache.RemoveManaged(gone)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		for _, n := range names {
			if len(c.cache.AllMatchingCertificates(n)) == 0 {
				c.magic.CacheManagedCertificate(c.ctx, n) // one that was never obtained is no error here
			}
		}
	}()
	select {
	case <-loaded:
	case <-time.After(loadedWithin):
	}
	// A process that was started by root gives its powers away right after the start; what was written before would be root's.
	time.AfterFunc(settleFor, func() {
		if c.ctx.Err() == nil {
			c.magic.ManageAsync(c.ctx, names)
		}
	})
}

// Obtain gets a certificate for a name now, or says why there is none, and renews it from then on.
func (c *Client) Obtain(ctx context.Context, name string) error {
	if err := c.magic.ManageSync(ctx, []string{name}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, has := slices.BinarySearch(c.names, name); !has {
		c.names = slices.Insert(c.names, at, name)
	}
	return nil
}

// Certificates are those of the managed names, with their staples.
func (c *Client) Certificates() (list []*tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[string][]*tls.Certificate{}
	for _, n := range c.names {
		now := managed(c.cache.AllMatchingCertificates(n), n)
		if len(now) == 0 {
			now = c.known[n] // it expired, and certmagic has forgotten it
		}
		if len(now) > 0 {
			known[n] = now
			list = append(list, now...)
		}
	}
	c.known = known
	return list
}

// managed are the certificates that are of the name itself.
func managed(certs []certmagic.Certificate, name string) (list []*tls.Certificate) {
	for i := range certs {
		if slices.Contains(certs[i].Names, name) && certs[i].Leaf != nil {
			list = append(list, &certs[i].Certificate)
		}
	}
	return list
}

// Close ends what is under way.
func (c *Client) Close() {
	c.cancel()
	c.cache.Stop()
	c.busy.Close()
}
