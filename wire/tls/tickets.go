package tls

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// Tickets are the secrets that session tickets are encrypted by, for all listeners, in memory only. Each policy's keys are derived from them and its label,
// so that a session never goes on under another policy than it was made under, whatever the certificate of the client: a ticket of one policy is noise to all
// others (nginx CVE-2025-23419, httpd CVE-2025-23048).
type Tickets struct {
	mu      sync.Mutex
	secrets [][32]byte // the newest first
	made    time.Time  // when the newest was
}

// ticketsFor is how long a secret encrypts, ticketsKept how many can decrypt: whoever takes them opens the recorded sessions of TLS 1.2 made in that time.
const (
	ticketsFor  = 12 * time.Hour
	ticketsKept = 3
)

// NewTickets begins with one secret.
func NewTickets(now time.Time) *Tickets {
	t := &Tickets{}
	t.Rotate(now)
	return t
}

// Secrets are the secrets, the newest first, and when that was made: for the process that takes over from this one.
func (t *Tickets) Secrets() (secrets [][]byte, made time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.secrets {
		secrets = append(secrets, bytes.Clone(t.secrets[i][:]))
	}
	return secrets, t.made
}

// Inherit takes over the secrets of the process before, so that its clients resume their sessions; Apply is next. What is no secret is skipped.
func (t *Tickets) Inherit(secrets [][]byte, made time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list [][32]byte
	for _, s := range secrets[:min(len(secrets), ticketsKept)] {
		if len(s) == 32 {
			list = append(list, [32]byte(s))
		}
	}
	if len(list) > 0 {
		t.secrets, t.made = list, made
	}
}

// Rotate makes a new secret when it is time, and reports whether it has.
func (t *Tickets) Rotate(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.secrets) > 0 && now.Sub(t.made) < ticketsFor {
		return false
	}
	var secret [32]byte
	rand.Read(secret[:])
	t.secrets = append([][32]byte{secret}, t.secrets[:min(len(t.secrets), ticketsKept-1)]...)
	t.made = now
	return true
}

// Apply gives a policy its keys.
func (t *Tickets) Apply(p *Policy) {
	p.Config.SetSessionTicketKeys(t.keys(p.Label))
	if p.QUIC != nil {
		p.QUIC.SetSessionTicketKeys(t.keys("quic " + p.Label))
	}
}

func (t *Tickets) keys(label string) [][32]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([][32]byte, len(t.secrets))
	for i := range t.secrets {
		key, err := hkdf.Key(sha256.New, t.secrets[i][:], nil, "weir session tickets "+label, 32)
		if err != nil {
			panic("BUG: tls: " + err.Error())
		}
		copy(keys[i][:], key)
	}
	return keys
}
