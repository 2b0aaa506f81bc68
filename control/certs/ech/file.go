package ech

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-proxy/weir/control/textfile"
)

// The blocks of a file, as OpenSSL and nginx have them: the private key, and the list of one config.
const (
	blockKey    = "PRIVATE KEY"
	blockConfig = "ECHCONFIG"
)

func readKey(file string) (k key, err error) {
	text, err := textfile.Read(file)
	if err != nil {
		return k, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case blockKey:
			if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
				return k, err
			} else if private, ok := parsed.(*ecdh.PrivateKey); ok {
				k.private = private.Bytes()
			}
		case blockConfig:
			if len(block.Bytes) > 2 {
				k.config = block.Bytes[2:]
			}
		}
	}
	if _, _, ok := parts(k.config); !ok || k.private == nil {
		return k, errors.New("no key of Encrypted Client Hello")
	}
	k.made, err = time.Parse("20060102T150405Z", strings.TrimSuffix(filepath.Base(file), ".pem"))
	return k, err
}

func (k key) write(file string) error {
	private, err := ecdh.X25519().NewPrivateKey(k.private)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: blockConfig, Bytes: listOf(k.config)})...)
	return textfile.Replace(file, text, 0o600)
}
