package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// How long each lives. Leaves are short-lived, as they are never revoked; browsers refuse those of more than a year or so.
const (
	rootFor         = 10 * 365 * 24 * time.Hour
	intermediateFor = 365 * 24 * time.Hour
	leafFor         = 7 * 24 * time.Hour
)

// skew is how far clients' clocks may be behind weir's.
const skew = time.Hour

// Authority issues leaves. It may be used by several goroutines.
type Authority struct {
	dir string
	now func() time.Time

	mu           sync.Mutex
	root         *signer
	intermediate *signer
}

// signer is a certificate that signs others, with its key.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Open reads the authority kept below the directory, or makes one and keeps it there. The error says why it could not be kept or read; there is an authority
// all the same.
func Open(dir string, now func() time.Time) (*Authority, error) {
	a := &Authority{dir: dir, now: now}
	if _, err := os.Stat(RootFile(dir)); errors.Is(err, fs.ErrNotExist) {
		a.root = a.newRoot()
		if err := a.keep(rootName, a.root); err != nil {
			a.dir = ""
			return a, fmt.Errorf("weir's own authority cannot be kept, the next start will make another one: %w", err)
		}
		return a, nil
	}
	root, err := a.read(rootName)
	if err != nil {
		// What is there and cannot be used is not overwritten: somebody trusts it.
		a.dir, a.root = "", a.newRoot()
		return a, fmt.Errorf("weir's own authority in %s cannot be read, another one serves until it can: %w", dir, err)
	}
	a.root = root
	if by, err := a.read(intermediateName); err == nil && by.cert.CheckSignatureFrom(root.cert) == nil {
		a.intermediate = by
	}
	return a, nil
}

// Root is the root's certificate in DER.
func (a *Authority) Root() []byte { return a.root.cert.Raw }

// Leaf issues a certificate for names or IP addresses, with the chain that leads to the root.
func (a *Authority) Leaf(names ...string) (*tls.Certificate, error) {
	by, err := a.current()
	if err != nil {
		return nil, err
	}
	now := a.now()
	template := &x509.Certificate{SerialNumber: serial(), NotBefore: now.Add(-skew), NotAfter: earlier(now.Add(leafFor), by.cert.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	leaf, err := by.sign(template)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.cert.Raw, by.cert.Raw}, PrivateKey: leaf.key, Leaf: leaf.cert}, nil
}

// RenewAt is when a leaf is replaced: with a third of its time left.
func RenewAt(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)
}

// current is the intermediate, made anew when its time comes.
func (a *Authority) current() (*signer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.intermediate != nil && a.now().Before(RenewAt(a.intermediate.cert)) {
		return a.intermediate, nil
	}
	now := a.now()
	made, err := a.root.sign(&x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "weir intermediate"},
		NotBefore: now.Add(-skew), NotAfter: earlier(now.Add(intermediateFor), a.root.cert.NotAfter),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign})
	if err != nil {
		return nil, err
	}
	a.intermediate = made
	a.keep(intermediateName, made) // one that cannot be kept is made again at the next start
	return made, nil
}

func (a *Authority) newRoot() *signer {
	host, _ := os.Hostname()
	now := a.now()
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: strings.TrimSpace("weir root " + host), Organization: []string{"weir"}},
		NotBefore: now.Add(-skew), NotAfter: now.Add(rootFor),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	self := &signer{template, newKey()}
	made, err := self.signKey(template, self.key)
	if err != nil {
		panic("BUG: authority: " + err.Error())
	}
	return made
}

// sign makes a key and signs a certificate for it.
func (s *signer) sign(template *x509.Certificate) (*signer, error) {
	return s.signKey(template, newKey())
}

func (s *signer) signKey(template *x509.Certificate, key crypto.Signer) (*signer, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, s.cert, key.Public(), s.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &signer{cert, key}, err
}

func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("BUG: authority: " + err.Error())
	}
	return key
}

// serial is a number of 127 random bits. RFC 5280 section 4.1.2.2: "CAs MUST force the serialNumber to be a non-negative integer".
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
