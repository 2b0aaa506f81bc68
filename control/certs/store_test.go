package certs

import (
	"crypto/rsa"
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, sources ...Source) *Store {
	t.Helper()
	s, problems := Open(sources, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

// got is the names of the certificate that a client is met with.
func got(t *testing.T, c *Chooser, h *tls.ClientHelloInfo) string {
	t.Helper()
	cert, err := c.Get(h)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(namesOf(cert), ",")
}

func TestTheMostSpecificCertificateIsChosen(t *testing.T) {
	dir := t.TempDir()
	s := open(t,
		pair(t, dir, "first", inADay(), ecdsaKey(t), "first.net"),
		pair(t, dir, "wild", inADay(), ecdsaKey(t), "*.shop.net"),
		pair(t, dir, "exact", inADay(), ecdsaKey(t), "a.shop.net"))
	c := chooser(t, s, t.TempDir(), none)
	for asked, want := range map[string]string{
		"a.shop.net": "a.shop.net", "A.Shop.NET.": "a.shop.net", "b.shop.net": "*.shop.net",
		"shop.net": "first.net", "a.b.shop.net": "first.net", "": "first.net", "other.org": "first.net",
	} {
		if is := got(t, c, hello(asked)); is != want {
			t.Errorf("%q: %s, want %s", asked, is, want)
		}
	}
}

func TestECDSAComesBeforeRSAForThoseWhoCanUseIt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, pair(t, dir, "rsa", inADay(), rsaKey(t), "a.net"), pair(t, dir, "ec", inADay(), ecdsaKey(t), "a.net"))
	c := chooser(t, s, t.TempDir(), none)
	old := hello("a.net")
	old.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256}
	for want, h := range map[bool]*tls.ClientHelloInfo{false: hello("a.net"), true: old} {
		cert, _ := c.Get(h)
		if _, isRSA := cert.Leaf.PublicKey.(*rsa.PublicKey); isRSA != want {
			t.Errorf("RSA: %v, want %v", isRSA, want)
		}
	}
}

func TestAnExpiredCertificateIsBetterThanNoneAndWorseThanAnother(t *testing.T) {
	dir := t.TempDir()
	past := time.Now().Add(-time.Hour)
	c := chooser(t, open(t, pair(t, dir, "old", past, ecdsaKey(t), "a.net")), t.TempDir(), all)
	if is := got(t, c, hello("a.net")); is != "a.net" {
		t.Errorf("got %s", is)
	}
	both := open(t, pair(t, dir, "old", past, ecdsaKey(t), "a.net"), pair(t, dir, "new", inADay(), rsaKey(t), "a.net"))
	cert, _ := chooser(t, both, t.TempDir(), all).Get(hello("a.net"))
	if time.Now().After(cert.Leaf.NotAfter) {
		t.Error("the expired one was chosen before the good one")
	}
}

func TestBrokenFilesChangeNothing(t *testing.T) {
	dir := t.TempDir()
	source := pair(t, dir, "a", inADay(), ecdsaKey(t), "a.net")
	s := open(t, source)
	put(t, source.Cert, []byte("-----BEGIN CERTIFICATE-----\nhalf"))
	if changed, problems := s.Refresh(); changed != 0 || len(problems) != 1 {
		t.Errorf("changed %d, problems %v", changed, problems)
	}
	if !s.Covers("a.net") {
		t.Error("the certificate was lost")
	}
	again, problems := Open([]Source{source}, s) // a reload
	if len(problems) != 1 || !again.Covers("a.net") {
		t.Errorf("problems %v", problems)
	}
	fresh, problems := Open([]Source{source, {"/none", "/none"}}, nil) // a start
	if len(problems) != 2 {
		t.Errorf("problems %v", problems)
	}
	if is := got(t, chooser(t, fresh, t.TempDir(), all), hello("a.net")); is != "a.net" {
		t.Errorf("got %s, want one of weir's own authority for the name", is)
	}
	pair(t, dir, "a", inADay(), ecdsaKey(t), "b.net")
	if changed, problems := s.Refresh(); changed != 1 || len(problems) != 0 || !s.Covers("b.net") || s.Covers("a.net") {
		t.Errorf("changed %d, problems %v", changed, problems)
	}
	os.Remove(source.Cert) // is being replaced
	if changed, problems := s.Refresh(); changed != 0 || len(problems) != 0 || !s.Covers("b.net") {
		t.Errorf("changed %d, problems %v", changed, problems)
	}
}

func TestDirectoriesAreLookedThrough(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, "flat", inADay(), ecdsaKey(t), "flat.net")
	cert, key := issue(t, inADay(), rsaKey(t), "one.net")
	put(t, filepath.Join(dir, "one-file"), append(cert, key...))
	cert, key = issue(t, inADay(), ecdsaKey(t), "certbot.net")
	chain, _ := issue(t, inADay(), ecdsaKey(t), "an authority")
	put(t, filepath.Join(dir, "archive", "cert1.pem"), cert)
	put(t, filepath.Join(dir, "archive", "fullchain1.pem"), append(slices.Clone(cert), chain...))
	put(t, filepath.Join(dir, "archive", "privkey1.pem"), key)
	put(t, filepath.Join(dir, "README"), []byte("not a certificate"))
	s, _ := Open([]Source{{dir, dir}}, nil)
	for _, name := range []string{"flat.net", "one.net", "certbot.net"} {
		if !s.Covers(name) {
			t.Errorf("%s was not found", name)
		}
	}
	c, _ := chooser(t, s, t.TempDir(), none).Get(hello("certbot.net"))
	if len(c.Certificate) != 2 {
		t.Errorf("a chain of %d, want the longer one", len(c.Certificate))
	}
	pair(t, dir, "later", inADay(), ecdsaKey(t), "later.net")
	if changed, _ := s.Refresh(); changed != 1 && !s.Covers("later.net") {
		t.Error("a file that was added was not seen")
	}
	if empty, problems := Open([]Source{{t.TempDir(), ""}}, nil); len(problems) != 1 || empty.Covers("x") {
		t.Errorf("an empty directory: %v", problems)
	}
}

// What a directory lacks may be there in another form: the message says so. What is there twice is not told.
func TestOtherFormsInADirectoryAreToldWhereTheyAreMissed(t *testing.T) {
	encrypted := []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	whole := func() string {
		dir := t.TempDir()
		pair(t, dir, "a", inADay(), ecdsaKey(t), "a.net")
		put(t, filepath.Join(dir, "old.key"), encrypted)
		return dir
	}
	if _, problems := Open([]Source{{Cert: whole()}}, nil); len(problems) > 0 {
		t.Error(problems)
	}
	lacks := whole()
	os.Remove(filepath.Join(lacks, "a.key"))
	if _, problems := Open([]Source{{Cert: lacks}}, nil); len(problems) != 1 || !strings.Contains(problems[0].Error(), filepath.Join(lacks, "old.key")+" is a private key with a passphrase") {
		t.Error(problems)
	}
	der := t.TempDir()
	cert, key := issue(t, inADay(), ecdsaKey(t), "a.net")
	block, _ := pem.Decode(cert)
	put(t, filepath.Join(der, "a.cer"), block.Bytes)
	put(t, filepath.Join(der, "a.key"), key)
	if _, problems := Open([]Source{{Cert: der}}, nil); len(problems) != 1 || !strings.Contains(problems[0].Error(), filepath.Join(der, "a.cer")+" is a certificate in DER form") {
		t.Error(problems)
	}
}
