package authority

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"

	"github.com/weir-proxy/weir/control/textfile"
)

// The certificates that are kept, each with its key.
const (
	rootName         = "root"
	intermediateName = "intermediate"
)

// RootFile is where below the directory the root's certificate is.
func RootFile(dir string) string { return filepath.Join(dir, rootName+".pem") }

func (a *Authority) read(name string) (*signer, error) {
	pair, err := textfile.KeyPair(filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key"))
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, errors.New(name + ".pem is no authority's certificate")
	}
	return &signer{pair.Leaf, key}, nil
}

// keep writes certificate and key, the key first: one without a certificate is overwritten, a certificate without its key would be in the way for ever.
func (a *Authority) keep(name string, s *signer) error {
	if a.dir == "" {
		return nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	if err := write(filepath.Join(a.dir, name+".key"), "PRIVATE KEY", der, 0o600); err != nil {
		return err
	}
	return write(filepath.Join(a.dir, name+".pem"), "CERTIFICATE", s.cert.Raw, 0o644)
}

func write(file, kind string, der []byte, mode os.FileMode) error {
	err := textfile.Replace(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
	if err == nil {
		own(file)
	}
	return err
}
