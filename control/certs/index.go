package certs

import (
	"crypto/rsa"
	"crypto/tls"
	"slices"
	"strings"
	"time"
)

// index finds certificates by name. Immutable.
type index struct {
	first  *tls.Certificate              // of those given; nil: there are none
	byName map[string][]*tls.Certificate // "a.example.com", "*.example.com" or an IP address, in lower case; the best first
	stale  time.Time                     // when one of them expires and the order may be another
}

// newIndex orders certificates. Of several for a name those that have not expired come first, and of these ECDSA before RSA, which costs weir many times
// as much; a client that cannot use the first gets the next.
func newIndex(certs []*tls.Certificate, now time.Time) *index {
	ix := &index{byName: map[string][]*tls.Certificate{}, stale: now.Add(24 * time.Hour)}
	for _, c := range certs {
		if ix.first == nil {
			ix.first = c
		}
		if now.Before(c.Leaf.NotAfter) && c.Leaf.NotAfter.Before(ix.stale) {
			ix.stale = c.Leaf.NotAfter
		}
		for _, n := range namesOf(c) {
			ix.byName[n] = append(ix.byName[n], c)
		}
	}
	for _, list := range ix.byName {
		slices.SortStableFunc(list, func(a, b *tls.Certificate) int { return rank(a, now) - rank(b, now) })
	}
	return ix
}

func rank(c *tls.Certificate, now time.Time) (n int) {
	if !now.Before(c.Leaf.NotAfter) {
		n += 2
	}
	if _, isRSA := c.Leaf.PublicKey.(*rsa.PublicKey); isRSA {
		n++
	}
	return n
}

// namesOf are the names a certificate is good for, in lower case.
func namesOf(c *tls.Certificate) (names []string) {
	for _, n := range c.Leaf.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, ip := range c.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Leaf.Subject.CommonName != "" {
		names = append(names, strings.ToLower(c.Leaf.Subject.CommonName))
	}
	return names
}

// find returns the certificate of the exact name, or of the wildcard above it; nil if there is none.
func (ix *index) find(name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	if c := usable(ix.byName[name], hello); c != nil {
		return c
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		return usable(ix.byName["*."+parent], hello)
	}
	return nil
}

// usable is the first of the list that the client can use; if it can use none the first, since what it says of itself is not always so.
func usable(list []*tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		for _, c := range list {
			if hello.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return list[0]
}
