package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Pair is where a chain and its key are. Key may be the same file.
type Pair struct{ Cert, Key string }

// Store is an ordered set of certificates. Immutable but for what Refresh reads again.
type Store struct {
	pairs []Pair
	mu    sync.Mutex // Refresh
	seen  []stamp
	certs []*tls.Certificate
	index atomic.Pointer[index]
}

// stamp tells whether a pair's files have changed.
type stamp struct {
	cert, key time.Time
	sizes     int64
}

// index finds certificates by name.
type index struct {
	first  *tls.Certificate
	byName map[string][]*tls.Certificate // "a.example.com" or "*.example.com", in lower case
}

// Error is a pair that cannot be used.
type Error struct {
	Pair int // index in what Open was given
	Err  error
}

func (e Error) Error() string { return e.Err.Error() }

// Open reads all pairs; every one that cannot be used is an Error.
func Open(pairs []Pair) (*Store, []Error) {
	s := &Store{pairs: pairs, seen: make([]stamp, len(pairs)), certs: make([]*tls.Certificate, len(pairs))}
	var problems []Error
	for i, p := range pairs {
		cert, at, err := load(p)
		if err != nil {
			problems = append(problems, Error{i, err})
			continue
		}
		s.certs[i], s.seen[i] = cert, at
	}
	s.build()
	return s, problems
}

// Refresh reads pairs whose files have changed; what cannot be read stays as it was and is returned as an error.
func (s *Store) Refresh() (changed int, problems []Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachChanged(func(i int, cert *tls.Certificate, at stamp, err error) {
		s.seen[i] = at
		if err != nil {
			problems = append(problems, Error{i, err})
			return
		}
		s.certs[i] = cert
		changed++
	})
	if changed > 0 {
		s.build()
	}
	return changed, problems
}

// Stale names the chains whose files have changed, and what Refresh could not read of them. It changes nothing.
func (s *Store) Stale() (files []string, problems []Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachChanged(func(i int, _ *tls.Certificate, _ stamp, err error) {
		if err != nil {
			problems = append(problems, Error{i, err})
			return
		}
		files = append(files, s.pairs[i].Cert)
	})
	return files, problems
}

// eachChanged reads the pairs whose files have changed.
func (s *Store) eachChanged(do func(i int, cert *tls.Certificate, at stamp, err error)) {
	for i, p := range s.pairs {
		at, err := look(p)
		if err != nil || at == s.seen[i] {
			continue // a file that is away for a moment is being replaced
		}
		cert, at, err := load(p)
		do(i, cert, at, err)
	}
}

func look(p Pair) (stamp, error) {
	c, err := os.Stat(p.Cert)
	if err != nil {
		return stamp{}, err
	}
	k, err := os.Stat(p.Key)
	if err != nil {
		return stamp{}, err
	}
	return stamp{c.ModTime(), k.ModTime(), c.Size() + k.Size()}, nil
}

func load(p Pair) (*tls.Certificate, stamp, error) {
	at, err := look(p)
	if err != nil {
		return nil, at, err
	}
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, at, fmt.Errorf("certificate %s: %w", p.Cert, err)
	}
	return &cert, at, nil
}

func (s *Store) build() {
	ix := &index{byName: map[string][]*tls.Certificate{}}
	for _, c := range s.certs {
		if c == nil {
			continue
		}
		if ix.first == nil {
			ix.first = c
		}
		names := c.Leaf.DNSNames
		if len(names) == 0 && c.Leaf.Subject.CommonName != "" {
			names = []string{c.Leaf.Subject.CommonName}
		}
		for _, n := range names {
			n = strings.ToLower(n)
			ix.byName[n] = append(ix.byName[n], c)
		}
	}
	s.index.Store(ix)
}

// Get chooses the certificate for a client: the exact name's, then the wildcard's, then the first. Among several of one name the first
// that the client can use.
func (s *Store) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	ix := s.index.Load()
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if c := usable(ix.byName[name], hello); c != nil {
		return c, nil
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if c := usable(ix.byName["*."+parent], hello); c != nil {
			return c, nil
		}
	}
	if ix.first == nil {
		return nil, fmt.Errorf("no certificate")
	}
	return ix.first, nil
}

func usable(list []*tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	for _, c := range list {
		if len(list) == 1 || hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return nil
}

// Certificate is what there is to know about a certificate in use.
type Certificate struct {
	File    string
	Names   []string
	Expires time.Time
}

// List returns the certificates in use.
func (s *Store) List() []Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Certificate
	for i, c := range s.certs {
		if c != nil {
			list = append(list, Certificate{s.pairs[i].Cert, c.Leaf.DNSNames, c.Leaf.NotAfter})
		}
	}
	return list
}
