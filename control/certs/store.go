package certs

import (
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Store is an ordered set of sources with the certificates read from them. Immutable but for what Refresh reads again.
type Store struct {
	mu      sync.Mutex // guards kept and staples
	kept    []kept
	staples map[[32]byte]staple // by certificate
	index   atomic.Pointer[index]
}

// kept is a source with what was read of it last.
type kept struct {
	source Source
	seen   string // its stamp then
	failed bool   // not all of it could be used
	certs  []loaded
}

// Error is a source that cannot be used, or not all of it.
type Error struct {
	Source   int // index in what Open was given
	Err      error
	IsUsable bool // something of the source is in use: what was read before, or the other certificates of a directory
}

func (e Error) Error() string { return e.Err.Error() }

// Open reads all sources; every one that cannot be used, or not all of it, is an Error, and what another store, if not nil, has of it stays in use.
func Open(sources []Source, before *Store) (*Store, []Error) {
	s := &Store{kept: make([]kept, len(sources)), staples: map[[32]byte]staple{}}
	var problems []Error
	for i, source := range sources {
		s.kept[i].source = source
		s.kept[i].certs = before.of(source)
		if err := s.kept[i].read(); err != nil {
			problems = append(problems, Error{i, err, len(s.kept[i].certs) > 0})
		}
	}
	s.build(time.Now())
	return s, problems
}

// Sources are what Open was given.
func (s *Store) Sources() (list []Source) {
	for i := range s.kept {
		list = append(list, s.kept[i].source)
	}
	return list
}

// of is what the store has of a source.
func (s *Store) of(source Source) []loaded {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept {
		if s.kept[i].source == source {
			return s.kept[i].certs
		}
	}
	return nil
}

// read reads the source. With an error what was there stays, unless there is something better.
func (k *kept) read() error {
	seen, err := k.source.stamp()
	if err != nil {
		return err
	}
	k.seen = seen
	certs, err := k.source.read()
	k.failed = err != nil
	if err == nil || len(certs) >= len(k.certs) && len(certs) > 0 {
		k.certs = certs
	}
	return err
}

// hasChanged reports whether the source's files are others than were read; a file that is away for a moment is being replaced.
func (k *kept) hasChanged() bool {
	seen, err := k.source.stamp()
	return err == nil && seen != k.seen
}

// Refresh reads sources whose files have changed; what cannot be read stays as it was and is returned as an error.
func (s *Store) Refresh() (changed int, problems []Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept {
		k := &s.kept[i]
		if !k.hasChanged() {
			continue
		}
		if err := k.read(); err != nil {
			problems = append(problems, Error{i, err, len(k.certs) > 0})
			continue
		}
		changed++
	}
	if now := time.Now(); changed > 0 || len(problems) > 0 || now.After(s.index.Load().stale) {
		s.build(now)
	}
	return changed, problems
}

// Stale names the sources whose files have changed, and says what cannot be used of them, or could not when they were read. It changes nothing.
func (s *Store) Stale() (files []string, problems []Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept {
		k := &s.kept[i]
		if !k.hasChanged() && !k.failed {
			continue
		}
		if _, err := k.source.read(); err != nil {
			problems = append(problems, Error{i, err, len(k.certs) > 0})
			continue
		}
		files = append(files, k.source.Cert)
	}
	return files, problems
}

func (s *Store) build(now time.Time) {
	var all []*tls.Certificate
	for i := range s.kept {
		for _, c := range s.kept[i].certs {
			all = append(all, s.stapled(c.Certificate, now))
		}
	}
	s.index.Store(newIndex(all, now))
}

// Covers reports whether a certificate for the name was read, expired or not.
func (s *Store) Covers(name string) bool {
	return s != nil && s.index.Load().find(name, &tls.ClientHelloInfo{}) != nil
}

// Invalid says which certificates are not valid now, by index of their source.
func (s *Store) Invalid(now time.Time) (problems []Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept {
		for _, c := range s.kept[i].certs {
			switch {
			case now.After(c.Leaf.NotAfter):
				problems = append(problems, Error{i, fmt.Errorf("certificate %s expired on %s", c.file, c.Leaf.NotAfter.UTC().Format(time.DateOnly)), true})
			case now.Before(c.Leaf.NotBefore):
				problems = append(problems, Error{i, fmt.Errorf("certificate %s is not valid before %s", c.file, c.Leaf.NotBefore.UTC().Format(time.DateTime)), true})
			}
		}
	}
	return problems
}

// Certificate is what there is to know about a certificate in use.
type Certificate struct {
	File    string // of the chain; "" for one that weir got itself
	Issuer  string // "acme" or "internal", of one that weir got itself
	Names   []string
	Expires time.Time
}

// List returns the certificates in use.
func (s *Store) List() []Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Certificate
	for i := range s.kept {
		for _, c := range s.kept[i].certs {
			list = append(list, Certificate{File: c.file, Names: namesOf(c.Certificate), Expires: c.Leaf.NotAfter})
		}
	}
	return list
}
