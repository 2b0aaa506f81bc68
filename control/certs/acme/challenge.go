package acme

import (
	"crypto/tls"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// PathPrefix is where authorities look for answers of http-01 (RFC 8555 section 8.3).
const PathPrefix = "/.well-known/acme-challenge/"

// HTTPAnswer is what an authority is answered that asks for a path of a host; false if no challenge of ours is under way there.
func HTTPAnswer(host, path string) (string, bool) {
	c, found := certmagic.GetACMEChallenge(host)
	if !found || c.Type != acme.ChallengeTypeHTTP01 || c.HTTP01ResourcePath() != path {
		return "", false
	}
	return c.KeyAuthorization, true
}

// ALPNProtocol is what an authority that asks for tls-alpn-01 offers, and nothing else (RFC 8737 section 3).
const ALPNProtocol = acmez.ACMETLS1Protocol

// ALPNAnswer is the certificate that an authority must be met with; nil if no challenge of ours is under way for the name.
func ALPNAnswer(name string) *tls.Certificate {
	c, found := certmagic.GetACMEChallenge(name)
	if !found || c.Type != acme.ChallengeTypeTLSALPN01 {
		return nil
	}
	cert, err := acmez.TLSALPN01ChallengeCert(c.Challenge)
	if err != nil {
		return nil
	}
	return cert
}
