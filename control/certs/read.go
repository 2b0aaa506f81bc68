package certs

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weir-proxy/weir/control/textfile"
)

// Source is where certificates are: a chain and its key, which may be the same file, or a directory of them.
type Source struct{ Cert, Key string }

// loaded is a certificate with the file of its chain.
type loaded struct {
	*tls.Certificate
	file string
}

// fileMost bounds a file that certificates are read from, filesMost those of a directory.
const (
	fileMost  = 1 << 20
	filesMost = 10_000
)

// stamp tells whether what a source consists of has changed: names, times and sizes.
func (s Source) stamp() (string, error) {
	files, err := s.files()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range files {
		st, err := textfile.Stat(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %d %d\n", f, st.ModTime().UnixNano(), st.Size())
	}
	return b.String(), nil
}

// files are those of the source: a directory's own and those of the directories in it, as certbot keeps a directory for each name.
func (s Source) files() ([]string, error) {
	st, err := textfile.Stat(s.Cert)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return []string{s.Cert, s.Key}, nil
	}
	return filesBelow(s.Cert, 1)
}

func filesBelow(dir string, levels int) (list []string, err error) {
	entries, err := textfile.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		st, err := textfile.Stat(name) // follows links, of which certbot's directories consist
		switch {
		case strings.HasPrefix(e.Name(), ".") || err != nil: // Kubernetes keeps what is linked to in directories that begin with a dot
		case st.IsDir() && levels > 0:
			below, err := filesBelow(name, levels-1)
			if err != nil {
				return nil, err
			}
			list = append(list, below...)
		case st.Mode().IsRegular() && st.Size() <= fileMost:
			list = append(list, name)
		}
	}
	if len(list) > filesMost {
		return nil, fmt.Errorf("%s holds more than %d files", dir, filesMost)
	}
	return list, nil
}

// read reads all certificates of the source; an error comes with what could be read all the same.
func (s Source) read() ([]loaded, error) {
	st, err := textfile.Stat(s.Cert)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if st.IsDir() {
		return readDirectory(s.Cert)
	}
	cert, err := textfile.KeyPair(s.Cert, s.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return []loaded{{&cert, s.Cert}}, nil
}

// readDirectory matches chains and keys by the public key, so that it does not matter how the files are called.
func readDirectory(dir string) (list []loaded, err error) {
	files, err := filesBelow(dir, 1)
	if err != nil {
		return nil, err
	}
	var chains []loaded
	var keys []crypto.Signer
	var problems, foreign []error
	for _, f := range files {
		text, err := textfile.ReadPEM(f)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		chain, signers := split(text)
		keys = append(keys, signers...)
		if chain != nil {
			chains = append(chains, loaded{chain, f})
		}
		if err := textfile.OtherForm(f, text); err != nil {
			foreign = append(foreign, err)
		}
	}
	for _, c := range longest(chains) {
		if c.PrivateKey = keyOf(c.Leaf, keys); c.PrivateKey != nil {
			list = append(list, c)
		} else if !c.Leaf.IsCA {
			problems = append(problems, fmt.Errorf("certificate %s: its key is not in %s", c.file, dir))
		}
	}
	if len(list) == 0 && len(problems) == 0 {
		problems = append(problems, fmt.Errorf("%s holds no certificate with its key", dir))
	}
	if len(problems) > 0 { // what is missing may be there, in another form
		problems = append(problems, foreign...)
	}
	return list, errors.Join(problems...)
}

// split takes a file's chain, nil if it has none, and its keys.
func split(text []byte) (chain *tls.Certificate, keys []crypto.Signer) {
	c := &tls.Certificate{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			c.Certificate = append(c.Certificate, block.Bytes)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			if key := textfile.ParseKey(block.Bytes); key != nil {
				keys = append(keys, key)
			}
		}
	}
	if len(c.Certificate) == 0 {
		return nil, keys
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil, keys
	}
	c.Leaf = leaf
	return c, keys
}

// longest leaves of the chains of one certificate the longest: certbot writes it alone and with its chain.
func longest(chains []loaded) (list []loaded) {
	for _, c := range chains {
		at := -1
		for i := range list {
			if bytes.Equal(list[i].Leaf.Raw, c.Leaf.Raw) {
				at = i
			}
		}
		if at < 0 {
			list = append(list, c)
		} else if len(c.Certificate.Certificate) > len(list[at].Certificate.Certificate) {
			list[at] = c
		}
	}
	return list
}

func keyOf(leaf *x509.Certificate, keys []crypto.Signer) crypto.PrivateKey {
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil
	}
	for _, k := range keys {
		if public.Equal(k.Public()) {
			return k
		}
	}
	return nil
}
