package snapshot

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	wiretls "github.com/weir-proxy/weir/wire/tls"
)

// asked is what clients are asked for: a listener's, or a site's on a listener.
type asked struct {
	minVersion string             // "": none was written, and clear text will do
	auth       *config.ClientAuth // nil or off: no certificate
}

// asks is what a listener asks its clients for. In clear text it cannot ask; there, what the top-level client_auth says holds all the same, as for every site.
func asks(cfg *config.Config, l *config.Listener) asked {
	if l.TLS == nil {
		return asked{auth: cfg.TLS.ClientAuth}
	}
	return asked{l.TLS.MinVersion, l.TLS.ClientAuth}
}

// on is what a site asks for on a listener; written is whether it has something of its own.
func (a asked) on(s *config.Site) (own asked, written bool) {
	if s.TLS == nil {
		return a, false
	}
	if s.TLS.MinVersion != "" {
		a.minVersion = s.TLS.MinVersion
	}
	if s.TLS.ClientAuth != nil {
		a.auth = s.TLS.ClientAuth
	}
	return a, true
}

// allowsClear reports whether requests in clear text have all that is asked for.
func (a asked) allowsClear() bool { return a.minVersion == "" && !a.auth.Asks() }

func (a asked) version() uint16 {
	if a.minVersion == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// terms is how a listener's clients are met.
func (b *builder) terms(l *config.Listener, out *Listener) *wiretls.Terms {
	chooser := certs.NewChooser(out.Store, b.out.Issuer, b.taken(), wiretls.Blocking(engine.SigningWork), wiretls.Blocking(engine.CertificateWork))
	protocols := b.protocols(l)
	byLabel := map[string]*wiretls.Policy{}
	policy := func(a asked) *wiretls.Policy {
		auth, authorities := "", b.authorities(a.auth)
		if authorities != nil {
			auth = authorities.name
		}
		label := strings.Join([]string{l.Name, strconv.Itoa(int(a.version())), auth, isRequired(a.auth)}, " ")
		if byLabel[label] == nil {
			p := wiretls.NewPolicy(label, a.version(), protocols, chooser.Get)
			p.Auth = auth
			if b.out.Wanted.ECH != "" {
				p.Config.GetEncryptedClientHelloKeys = b.out.Issuer.ECHKeys
			}
			if authorities != nil {
				p.Config.ClientCAs, p.Config.ClientAuth = authorities.pool, tls.VerifyClientCertIfGiven
				if a.auth.Verify != "optional" {
					p.Config.ClientAuth = tls.RequireAndVerifyClientCert
				}
			}
			if out.Setup.QUIC {
				p.AllowQUIC()
			}
			byLabel[label] = p
			out.policies = append(out.policies, p)
		}
		return byLabel[label]
	}
	ofListener := asks(b.cfg, l)
	own := policy(ofListener)
	of := map[*site.Site]*wiretls.Policy{}
	for i := range b.cfg.Sites {
		s := &b.cfg.Sites[i]
		if a, written := ofListener.on(s); written {
			of[b.out.Sites.Site(s.Name)] = policy(a)
		}
	}
	terms := wiretls.NewTerms(own, b.policyOf(of), b.prints)
	if b.out.Wanted.ACME != nil && l.Protocol != "ftp" {
		p := wiretls.NewPolicy(l.Name+" challenges", tls.VersionTLS12, []string{wiretls.ChallengeProtocol}, chooser.Get)
		out.policies = append(out.policies, p)
		terms.TakeChallenges(p)
	}
	return terms
}

// taken says how names are published.
func (b *builder) taken() func(name string) certs.Taken {
	sites := b.out.Sites
	return func(name string) certs.Taken {
		switch s := sites.FindSite([]byte(name)); {
		case s == nil:
			return certs.NotTaken
		case s.Pattern == "*":
			return certs.ByRest
		}
		return certs.ByName
	}
}

// policyOf finds a policy by the name that a client asks for, as a request's site is found by its Host; nil where all have the listener's.
func (b *builder) policyOf(of map[*site.Site]*wiretls.Policy) func(string) *wiretls.Policy {
	if len(of) == 0 {
		return nil
	}
	sites := b.out.Sites
	return func(name string) *wiretls.Policy {
		return of[sites.FindSite([]byte(strings.TrimSuffix(strings.ToLower(name), ".")))]
	}
}

// policies is what sites need of the connections of a listener; nil if nothing is asked for. It includes what the listener itself asks for: a connection may have been opened before a reload that
// asks for more.
func (b *builder) policies(l *config.Listener) *site.Policies {
	ofListener := asks(b.cfg, l)
	of := map[*site.Site]*filter.Policy{}
	for i := range b.cfg.Sites {
		s := &b.cfg.Sites[i]
		if a, written := ofListener.on(s); written {
			of[b.out.Sites.Site(s.Name)] = b.need(a)
		}
	}
	if len(of) == 0 && ofListener.allowsClear() {
		return nil
	}
	own := b.need(ofListener)
	own.LetsInClear = len(of) == 0 && l.TLS != nil
	return site.NewPolicies(own, of)
}

// need is what requests need of their connection's TLS where a is asked for.
func (b *builder) need(a asked) *filter.Policy {
	p := &filter.Policy{Version: a.version(), AllowsClear: a.allowsClear()}
	if a.auth.Asks() {
		p.Auth = b.authorities(a.auth).name
		p.Require = a.auth.Verify != "optional"
	}
	return p
}

func isRequired(a *config.ClientAuth) string {
	if a.Asks() {
		return a.Verify
	}
	return "none"
}

// authorities are the certificates that clients' are checked by. Immutable.
type authorities struct {
	name     string // that changes when they do
	pool     *x509.CertPool
	problems map[int]string // by index of the file
}

// authorities reads those that clients are asked for a certificate of, once for all that name the same files; nil for none.
func (b *builder) authorities(a *config.ClientAuth) *authorities {
	if !a.Asks() {
		return nil
	}
	key := strings.Join(a.CA, "\x00")
	if known := b.clientCAs[key]; known != nil {
		return known
	}
	out := &authorities{pool: x509.NewCertPool(), problems: map[int]string{}}
	sum := sha256.New()
	for i, file := range a.CA {
		text, err := textfile.Certificates(file)
		if err != nil {
			out.problems[i] = err.Error()
		}
		out.pool.AppendCertsFromPEM(text)
		sum.Write(text)
	}
	out.name = hex.EncodeToString(sum.Sum(nil))
	b.clientCAs[key] = out
	return out
}

// checkAuthorities refuses a configuration that names a file of authorities which cannot be read: nobody may get in because a file is missing. Each is reported where it is written.
func (b *builder) checkAuthorities() {
	check := func(path string, a *config.ClientAuth) {
		if !a.Asks() {
			return
		}
		known := b.authorities(a)
		for i := range a.CA {
			if problem := known.problems[i]; problem != "" {
				b.refuse(fmt.Sprintf("%s.client_auth.ca[%d]", path, i), problem)
			}
		}
	}
	top := b.cfg.TLS.ClientAuth
	check("tls", top)
	for i := range b.cfg.Listeners {
		if l := &b.cfg.Listeners[i]; l.TLS != nil && l.TLS.ClientAuth != top {
			check("listeners."+l.Name+".tls", l.TLS.ClientAuth)
		}
	}
	for i := range b.cfg.Sites {
		if s := &b.cfg.Sites[i]; s.TLS != nil {
			check(config.SitePath(s.Name)+".tls", s.TLS.ClientAuth)
		}
	}
}

// protocols is what is offered to clients of a listener beside TLS (RFC 7301).
func (b *builder) protocols(l *config.Listener) []string {
	list := offered(l)
	if b.out.Wanted.ACME != nil {
		list = append(list, wiretls.ChallengeProtocol) // an authority offers nothing else
	}
	return list
}

// store has the certificates of a listener. A named certificate that cannot be used refuses the configuration: another one in its place would break the site for all clients that
// verify it. Where the certificate was in use before, it stays in use, and the problem is a warning, as is an expired certificate.
func (b *builder) store(l *config.Listener, out *Listener) *certs.Store {
	var sources []certs.Source
	for i := range l.TLS.Certificates {
		c := &l.TLS.Certificates[i]
		sources = append(sources, certs.Source{Cert: c.Cert, Key: keyFile(c)})
	}
	before := b.storeBefore(l.Name)
	if before != nil && slices.Equal(before.Sources(), sources) {
		renewed, problems := before.Stale()
		b.warnOfCertificates(l, problems)
		out.Renewed = renewed
		b.out.Stores = append(b.out.Stores, before)
		return before
	}
	store, problems := certs.Open(sources, before)
	b.warnOfCertificates(l, problems)
	b.warnOfCertificates(l, store.Invalid(time.Now()))
	b.out.Stores = append(b.out.Stores, store)
	return store
}

// warnOfCertificates reports problems with certificates of a listener, once where several listeners have them from the top-level tls.
func (b *builder) warnOfCertificates(l *config.Listener, problems []certs.Error) {
	for _, p := range problems {
		path := b.certificatePath(l, p.Source)
		isKnown := func(k config.Problem) bool { return k.Path == path && k.Message == p.Error() }
		switch {
		case slices.ContainsFunc(b.problems, isKnown):
		case p.IsUsable:
			b.warn(path, p.Error())
		default:
			b.refuse(path, p.Error())
			b.isUnread = true
		}
	}
}

// certificatePath is where a listener's certificate is written: those of the top-level tls come after its own.
func (b *builder) certificatePath(l *config.Listener, i int) string {
	own, path := len(l.TLS.Certificates)-len(b.cfg.TLS.Certificates), "listeners."+l.Name+".tls"
	if i >= own {
		i, path = i-own, "tls"
	}
	return path + ".certificates[" + strconv.Itoa(i) + "]"
}

// storeBefore is the running store of the listener of that name.
func (b *builder) storeBefore(listener string) *certs.Store {
	if b.previous == nil {
		return nil
	}
	for i := range b.previous.Listeners {
		if b.previous.Listeners[i].Name == listener {
			return b.previous.Listeners[i].Store
		}
	}
	return nil
}

// RotateTickets gives all policies of the snapshot the present keys of their session tickets.
func (s *Snapshot) RotateTickets() {
	for i := range s.Listeners {
		for _, p := range s.Listeners[i].policies {
			s.Tickets.Apply(p)
		}
	}
}

// carryTLS takes over what of TLS outlives configurations, or begins it.
func (b *builder) carryTLS() {
	if b.previous != nil {
		b.out.Issuer, b.out.Tickets = b.previous.Issuer, b.previous.Tickets
		return
	}
	b.out.Issuer, b.out.Tickets = certs.NewIssuer(), wiretls.NewTickets(time.Now())
}

// mentions reports whether a word stands in any text of the configuration: where it may be wanted, and seldom where it is not.
func mentions(v reflect.Value, word string) bool {
	switch v.Kind() {
	case reflect.String:
		return strings.Contains(v.String(), word)
	case reflect.Pointer:
		return !v.IsNil() && mentions(v.Elem(), word)
	case reflect.Slice:
		for i := range v.Len() {
			if mentions(v.Index(i), word) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && (f.Name == "JA4" && v.Field(i).Len() > 0 || mentions(v.Field(i), word)) {
				return true
			}
		}
	}
	return false
}
