package config

import "strings"

// ACME is how certificates are obtained from public authorities. A bare value is the `email`; `off` obtains none. Whoever uses it agrees to the terms of the
// authorities named.
type ACME struct {
	// Where the authorities reach somebody.
	Email string `yaml:"email,short" example:"ops@example.com"`

	// The authorities: `letsencrypt`, `letsencrypt-staging`, `zerossl`, `google`, or the URL of a directory. When one fails the next is asked.
	CA []string `yaml:"ca" default:"letsencrypt" example:"[letsencrypt, https://acme.example.net/directory]"`

	// Files of the authorities that the ACME servers' own certificates are checked against, for servers of private networks. Without it: the system's.
	Roots []string `yaml:"roots,file" example:"internal-ca.pem"`

	// Which challenges may be used. Without it: `dns` if `dns` is set, else `http`, which needs port 80, and `tls-alpn`, which needs port 443.
	Challenge []string `yaml:"challenge" words:"http tls-alpn dns" example:"[tls-alpn]"`

	// How records are written for the challenge `dns`, which certificates of wildcards need.
	DNS *ACMEDNS `yaml:"dns" example:"{ provider: cloudflare, token: \"${CF_TOKEN}\" }"`

	// The account at the authority that is needed to register there, where one is.
	EAB *EAB `yaml:"eab" example:"{ key_id: kid-1, key: \"${EAB_KEY}\" }"`

	// The profile of certificates that is asked for, where the authority has several.
	Profile string `yaml:"profile" example:"shortlived"`

	// Names to obtain certificates for besides the sites'.
	Names []string `yaml:"names" example:"[mail.example.com]"`

	// Obtains a certificate when somebody asks for a name that a site such as `*` takes and that has none.
	OnDemand *OnDemand `yaml:"on_demand" example:"http://127.0.0.1:8000/may-have-certificate"`

	// How often it is looked whether something is to be renewed.
	Check Duration `yaml:"check" default:"10m" example:"1h"`

	// Off is set by `acme: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `off`.
func (a *ACME) FromWord(word string) (err error) {
	if isItOff, offErr := isOff(word); offErr == nil && isItOff {
		a.Off = true
		return nil
	}
	if !strings.Contains(word, "@") {
		return problemf("want an email address, an object or off, not %q", word)
	}
	a.Email = word
	return nil
}

// EAB is an account outside of ACME (RFC 8555 section 7.3.4).
type EAB struct {
	// Its name.
	KeyID string `yaml:"key_id,required" example:"kid-1"`

	// Its key, in base64url.
	Key Secret `yaml:"key,required" example:"${EAB_KEY}"`
}

// OnDemand says who decides about names that somebody asks for. A bare value is `ask`.
type OnDemand struct {
	// A URL that is asked with `?domain=NAME` before a certificate is obtained: 200 allows it. Needed, since anybody can ask for any name, and authorities
	// count.
	Ask string `yaml:"ask,short,required" example:"http://127.0.0.1:8000/may-have-certificate"`
}

// ACMEDNS is a DNS provider and what it needs.
type ACMEDNS struct {
	// Who writes the records: `rfc2136` (dynamic updates, as BIND, Knot, PowerDNS and Windows take them), `cloudflare`, `acme-dns`, or `exec`, a program of
	// yours.
	Provider string `yaml:"provider,required" words:"rfc2136 cloudflare acme-dns exec" example:"rfc2136"`

	// rfc2136: the server, as host:port. acme-dns: its URL.
	Server string `yaml:"server" example:"ns1.example.com:53"`

	// rfc2136: the name of the TSIG key.
	KeyName string `yaml:"key_name" example:"weir."`

	// rfc2136: the TSIG key, in base64.
	Key Secret `yaml:"key" example:"${TSIG_KEY}"`

	// rfc2136: the algorithm of the key.
	Algorithm string `yaml:"algorithm" default:"hmac-sha256" words:"hmac-sha1 hmac-sha224 hmac-sha256 hmac-sha384 hmac-sha512" example:"hmac-sha512"`

	// cloudflare: a token that may edit the zone's records.
	Token Secret `yaml:"token" example:"${CF_TOKEN}"`

	// acme-dns: the account.
	User string `yaml:"user" example:"c36f50e8-4632-44f0-83fe-e070fef28a10"`

	// acme-dns: its password.
	Password Secret `yaml:"password" example:"${ACME_DNS_PASSWORD}"`

	// acme-dns: its subdomain.
	Subdomain string `yaml:"subdomain" example:"8e5700ea-a4bf-41c7-8a77-e990661dcc6a"`

	// exec: the program and its arguments; `present` or `cleanup`, the record's name and its value follow.
	Command []string `yaml:"command" example:"[/usr/local/bin/dns-record]"`

	// Resolvers that are asked whether a record is there. Without any: the zone's own servers.
	Resolvers []string `yaml:"resolvers" example:"[1.1.1.1:53]"`

	// The name that records are written to, where _acme-challenge is an alias of it.
	Override string `yaml:"override" example:"_acme-challenge.example.net"`

	// How long to wait after writing before it is looked whether the record is there.
	Delay Duration `yaml:"delay" default:"off" example:"30s"`
}

func (r *reader) checkACME(path string, a *ACME) {
	if a == nil || a.Off {
		return
	}
	for i, ca := range a.CA {
		if !isAuthority(ca) {
			r.suggest(r.at(indexPath(joinPath(path, "ca"), i)), joinPath(path, "ca"), nearest(ca, authorityWords), "want %s or a URL, not %q",
				orList(authorityWords), ca)
		}
	}
	for _, c := range a.Challenge {
		if c == "dns" && a.DNS == nil {
			r.wrong(joinPath(path, "challenge"), "dns needs a provider; give it under dns")
		}
	}
	for _, n := range a.Names {
		if !isHostName(strings.TrimPrefix(n, "*.")) {
			r.wrong(joinPath(path, "names"), "%q is no name for a certificate", n)
		}
	}
	if o := a.OnDemand; o != nil && !strings.HasPrefix(o.Ask, "http://") && !strings.HasPrefix(o.Ask, "https://") {
		r.wrong(joinPath(path, "on_demand"), "want a URL, not %q", o.Ask)
	}
	if d := a.DNS; d != nil {
		r.checkACMEDNS(joinPath(path, "dns"), d)
	}
}

var authorityWords = []string{"letsencrypt", "letsencrypt-staging", "zerossl", "google"}

func isAuthority(ca string) bool {
	for _, w := range authorityWords {
		if w == ca {
			return true
		}
	}
	return strings.HasPrefix(ca, "https://")
}

func (r *reader) checkACMEDNS(path string, d *ACMEDNS) {
	for _, need := range []struct {
		provider, key string
		isThere       bool
	}{
		{"rfc2136", "server", d.Server != ""},
		{"cloudflare", "token", d.Token.Value != ""},
		{"acme-dns", "server", d.Server != ""},
		{"acme-dns", "user", d.User != ""},
		{"acme-dns", "password", d.Password.Value != ""},
		{"acme-dns", "subdomain", d.Subdomain != ""},
		{"exec", "command", len(d.Command) > 0},
	} {
		if d.Provider == need.provider && !need.isThere && !r.failedBelow(path) {
			r.wrong(path, "%s needs %q", need.provider, need.key)
		}
	}
}
