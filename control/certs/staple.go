package certs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

// staple is an authority's word that a certificate was not revoked (RFC 6960), served with it (RFC 6066 section 8). By the hash of the certificate, so that it is
// not lost when files are read again.
type staple struct {
	der   []byte
	until time.Time // when it is void
	again time.Time // when the next is asked for
}

const (
	stapleMost  = 64 << 10
	stapleRetry = 10 * time.Minute // after a failure
)

// Staple asks for the words that are due, and serves with what was given. It waits for the authorities' servers, and is not called on a loop. What cannot be had
// is left out: clients do without, but for those whose certificate says that they must not.
func (s *Store) Staple(ctx context.Context, now time.Time) (problems []error) {
	for _, c := range s.due(now) {
		got, err := askOCSP(ctx, c, now)
		if err != nil {
			problems = append(problems, fmt.Errorf("staple for %v: %w", namesOf(c), err))
			got.again = now.Add(stapleRetry)
		}
		s.mu.Lock()
		if before := s.staples[keyOfStaple(c)]; err != nil && now.Before(before.until) {
			got.der, got.until = before.der, before.until
		}
		s.staples[keyOfStaple(c)] = got
		s.build(now)
		s.mu.Unlock()
	}
	return problems
}

// due are the certificates whose word is to be asked for.
func (s *Store) due(now time.Time) (list []*tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept {
		for _, c := range s.kept[i].certs {
			if len(c.Leaf.OCSPServer) > 0 && len(c.Certificate.Certificate) > 1 && !now.Before(s.staples[keyOfStaple(c.Certificate)].again) {
				list = append(list, c.Certificate)
			}
		}
	}
	return list
}

func keyOfStaple(c *tls.Certificate) [32]byte { return sha256.Sum256(c.Leaf.Raw) }

// stapled is the certificate with the word for it, if there is one that is not void.
func (s *Store) stapled(c *tls.Certificate, now time.Time) *tls.Certificate {
	got, has := s.staples[keyOfStaple(c)]
	if !has || len(got.der) == 0 || !now.Before(got.until) {
		return c
	}
	with := *c
	with.OCSPStaple = got.der
	return &with
}

func askOCSP(ctx context.Context, c *tls.Certificate, now time.Time) (got staple, err error) {
	issuer, err := x509.ParseCertificate(c.Certificate[1])
	if err != nil {
		return got, err
	}
	question, err := ocsp.CreateRequest(c.Leaf, issuer, nil)
	if err != nil {
		return got, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", c.Leaf.OCSPServer[0], bytes.NewReader(question))
	if err != nil {
		return got, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return got, err
	}
	defer answer.Body.Close()
	der, err := io.ReadAll(io.LimitReader(answer.Body, stapleMost))
	if err != nil {
		return got, err
	}
	word, err := ocsp.ParseResponseForCert(der, c.Leaf, issuer)
	switch {
	case err != nil:
		return got, err
	case word.Status != ocsp.Good:
		return got, errors.New("the authority does not say that it is good")
	case !now.Before(word.NextUpdate):
		return got, errors.New("the authority's word is void already")
	}
	return staple{der, word.NextUpdate, now.Add(word.NextUpdate.Sub(now) / 2)}, nil
}
